"""Read the files that a run leaves: settings, summary, results, curves, answers, matrices.

Each reader returns what a file holds, or raises Unreadable, which says what is wrong with it: a
report on many runs notes that and goes on. `require` turns it into a RunError that names the file,
for commands that cannot do without.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from fewshot_fer.runs.evaluation_tables import ANSWER_COLUMNS
from fewshot_fer.runs.folder import METRIC_COLUMNS, RESULT_COLUMNS
from fewshot_fer.system.errors import RunError

TEXTS = (
    *("role", "dataset", "protocol", "disjoint", "level", "method", "uses"),
    *("episodes_id", "pretrained", "warnings", "images_id", "unit", "pooling", "verdict"),
)
"""Columns of results.csv that hold text; all others but trained_on_test hold numbers."""
TABLE_TEXTS = dict.fromkeys(
    (
        *("role", "protocol", "method", "level", "episodes_id"),
        *("path", "group", "clip", "label", "true", "predicted"),
    ),
    object,
)
"""Columns of answers.csv and predictions.csv that hold text: a clip 0012 is no number."""
MOST_BYTES = 50_000_000  # of a file that is parsed at once
MOST_TABLE_BYTES = 2_000_000_000
MOST_SETTINGS = 5_000  # a file of a few lines can name others a million times over
Row = dict[str, Any]
Content = TypeVar("Content")


class Unreadable(Exception):  # noqa: N818 - not an error of the report, a remark in it
    """A file that cannot be used; the message says why, without the file's name."""


def require(read: Callable[..., Content], file: Path, *more: object) -> Content:
    """Return read(file, *more). Raises RunError naming the file where that raises Unreadable."""
    try:
        return read(file, *more)
    except Unreadable as error:
        raise RunError(f"{file} {error}") from error


def read_config(file: Path) -> Row:
    """Return config.yaml. Raises Unreadable."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(_text(file), Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable(f"is damaged: {_one_line(error)}") from error
    if not isinstance(config, dict):
        raise Unreadable("is damaged: it holds no settings")
    flatten(config)
    return config


def flatten(settings: Row) -> Row:
    """Return a -> b -> 1 as {"a.b": 1}; an empty mapping stays. Raises Unreadable if endless."""
    flat: Row = {}
    waiting = [("", settings)]
    steps = 0
    while waiting:
        prefix, below = waiting.pop(0)
        steps += len(below)
        if steps > MOST_SETTINGS:
            raise Unreadable(f"is damaged: it has more than {MOST_SETTINGS} settings")
        for key, value in below.items():
            if isinstance(value, dict) and value:
                waiting.append((f"{prefix}{key}.", value))
            else:
                flat[f"{prefix}{key}"] = value
    return flat


def read_summary(file: Path) -> Row:
    """Return summary.json. Raises Unreadable."""
    try:
        summary = json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is damaged: {_one_line(error)}") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("results"), list):
        raise Unreadable("is not the summary of a run: it has no results")
    return summary


def read_results(file: Path) -> tuple[list[Row], list[str]]:
    """Return results.csv with numbers as numbers, and a line for each row that is left out."""
    rows, problems = [], []
    for line, texts in enumerate(read_rows(file, ("role", "protocol", "accuracy", "chance")), 2):
        row = dict.fromkeys(RESULT_COLUMNS) | {k: _cell(k, text) for k, text in texts.items()}
        fault = result_fault(row)
        if fault:
            problems.append(f"line {line} is left out: it {fault}")
        else:
            rows.append(row)
    return rows, problems


def result_fault(
    row: object, columns: Sequence[str] = ("role", "protocol", "accuracy", "chance")
) -> str:
    """Return what a result lacks in these columns, "has no role" for one; "" for nothing."""
    if not isinstance(row, dict):
        return "is no object"
    for key in columns:
        value = row.get(key)
        if key in TEXTS:
            if not isinstance(value, str) or not value:
                return f"has no {key}"
        elif not isinstance(value, int | float) or not math.isfinite(value):
            return f"has no number for {key}"
        elif key in ("accuracy", "chance") and not 0 <= value <= 1:
            return f"has no fraction from 0 to 1 for {key}"
    return ""


def read_metrics(file: Path) -> dict[str, NDArray[np.float64]]:
    """Return metrics.csv, column to its values [epochs], NaN where a cell holds no number."""
    rows = read_rows(file, ("epoch",))
    values = {key: [_number(row.get(key, "")) for row in rows] for key in METRIC_COLUMNS}
    columns = {key: np.array(value, dtype=np.float64) for key, value in values.items()}
    sound = np.isfinite(columns["epoch"])  # the last line of a run that was killed may be torn
    return {key: value[sound] for key, value in columns.items()}


def read_confusion(file: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Return class names [C] and counts [C, C], or [C, C + 1] with a column of lost queries."""
    try:
        rows = list(csv.reader(io.StringIO(_text(file))))
        names = [row[0] for row in rows[1:]]
        counts = np.array([row[1:] for row in rows[1:]], dtype=np.float64)
    except (csv.Error, ValueError, IndexError) as error:
        raise Unreadable(f"is damaged: {_one_line(error)}") from error
    square = counts.ndim == 2 and counts.shape[1] in (len(names), len(names) + 1)
    square = square and rows[0][1 : 1 + len(names)] == names and len(rows[0]) == len(rows[1])
    if not names or not square or not np.isfinite(counts).all() or counts.min() < 0:
        raise Unreadable("is damaged: it is no table of counts")
    return names, counts.astype(np.int64)


def read_failures(file: Path) -> list[str]:
    """Return what stands in the column `error` of a sweep.csv, with the number of its line."""
    errors = (" ".join((row.get("error") or "").split()) for row in read_rows(file))
    return [f"line {line} failed: {error}" for line, error in enumerate(errors, 2) if error]


def read_rows(file: Path, needed: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a CSV file as texts. Raises Unreadable, also if a needed column lacks."""
    try:
        reader = csv.DictReader(io.StringIO(_text(file)), restval="", restkey="")
        rows = [{key: value for key, value in row.items() if key} for row in reader]
    except csv.Error as error:
        raise Unreadable(f"is damaged: {_one_line(error)}") from error
    _check_columns(reader.fieldnames or (), needed)
    return rows


def read_answers(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the sound rows of answers.csv, `asked` and `correct` as float, and a line on the rest.

    Raises Unreadable. The list is empty where every row is sound.
    """
    table = read_table(file, ANSWER_COLUMNS)
    for column in ("asked", "correct"):
        table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
    most = table["asked"] * (1 + 1e-5)  # the file has six digits
    sound = table["asked"].between(0, math.inf, "neither") & table["correct"].between(0, most)
    sound &= table[["path", "group", "label"]].notna().all(axis=1)
    bad = table.index[~sound]
    if not len(bad):
        return table, []
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return table[sound], [f"asked and correct make no sense in line {bad[0] + 2}{more}"]


def read_table(file: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Return answers.csv or predictions.csv, NaN for empty cells. Raises Unreadable."""
    try:
        _check_size(file, MOST_TABLE_BYTES)
        table = pd.read_csv(file, dtype=TABLE_TEXTS, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {_one_line(error)}") from error
    _check_columns(list(table.columns), needed)
    return table


def _check_columns(columns: Sequence[str], needed: Sequence[str]) -> None:
    missing = [column for column in needed if column not in columns]
    if missing:
        raise Unreadable(f"has no column {', '.join(missing)}")


def _text(file: Path) -> str:
    try:
        _check_size(file, MOST_BYTES)
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unreadable("cannot be read: it is not text in UTF-8") from error


def _check_size(file: Path, most: int) -> None:
    if not file.is_file():
        raise Unreadable("is no file" if file.exists() else "is not there")
    if file.stat().st_size > most:
        raise Unreadable(f"is larger than {most // 1_000_000} MB")


def _cell(key: str, text: str) -> object:
    if key == "trained_on_test":
        return {"true": True, "false": False}.get(text.lower())
    if key in TEXTS or key not in RESULT_COLUMNS:
        return text
    number = _number(text)
    return int(number) if number is not None and number.is_integer() and "." not in text else number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
