"""Reading what runs left, and saying which file is wrong if one is.

The files of one run, read so that a damaged one costs only what stood in it.
"""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from fewshot_fer.runs.folder import METRIC_COLUMNS, RESULT_COLUMNS
from fewshot_fer.runs.tables import ANSWER_COLUMNS
from fewshot_fer.system.errors import RunError

NEEDED_TEXTS = ("role", "protocol", "method", "level")
FIGURES = (
    "accuracy", "ci95_low", "ci95_high", "group_ci95_low", "group_ci95_high", "chance", "majority",
)  # fmt: skip


def read_answers(run: Path) -> pd.DataFrame:
    """Return a run's answers.csv: texts as they stand, `asked` and `correct` as float.

    Raises RunError naming the folder or the file where it is missing, empty or damaged.
    """
    _check_folder(run)
    file = run / "answers.csv"
    if not file.is_file():
        raise RunError(f"{file} is not there: {run} is not the folder of a finished run")
    try:  # all as text: a clip 0012 or an id 1234567890123e45 is no number
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {_reason(error)}") from error
    missing = [column for column in ANSWER_COLUMNS if column not in table.columns]
    if missing:
        raise RunError(f"{file} has no column {', '.join(missing)}")
    if table.empty:
        raise RunError(f"{file} has no answers")
    for column in ("asked", "correct"):
        table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
    rounded = 1e-5 * table["asked"]  # the file has six digits
    sound = table["asked"].between(0, math.inf, "neither") & (table["correct"] >= 0)
    bad = table.index[~(sound & (table["correct"] <= table["asked"] + rounded))]
    if len(bad):
        raise RunError(f"{file} is damaged: asked and correct make no sense in line {bad[0] + 2}")
    return table


def finished_runs(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return every run in or below a folder that has a summary, oldest first, with its summary."""
    _check_folder(folder)
    files = sorted(folder.rglob("summary.json"), key=lambda file: (file.stat().st_mtime_ns, file))
    return [(file.parent, require_summary(file)) for file in files]


def require_summary(file: Path) -> dict[str, Any]:
    """Return a run's summary.json. Raises RunError naming the file if it is none."""
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file} cannot be read: {_reason(error)}") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("results"), list):
        raise RunError(f"{file} is not the summary of a run: it has no results")
    return summary


def check_results(file: Path, results: list[Any]) -> None:
    """Raise RunError naming the file and the key where a result cannot be shown."""
    if not results:
        raise RunError(f"{file} has no results")
    for number, result in enumerate(results, start=1):
        if not isinstance(result, dict):
            raise RunError(f"{file} is damaged: result {number} is no object")
        for key in NEEDED_TEXTS:
            if not isinstance(result.get(key), str):
                raise RunError(f"{file} is damaged: result {number} has no {key}")
        for key in FIGURES:
            value = result.get(key)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise RunError(f"{file} is damaged: result {number} has no number for {key}")


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
    except OSError as error:  # a name that is too long, for one
        raise RunError(f"{folder} cannot be read: {error.strerror}") from error
    raise RunError(f"{folder} is not a folder")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())


TEXTS = (
    *("role", "dataset", "protocol", "disjoint", "level", "method", "uses"),
    *("episodes_id", "warnings"),
)
MOST_BYTES = 50_000_000  # of a file that is read whole
MOST_SETTINGS = 5_000  # a file of a few lines can name others a million times over
Row = dict[str, Any]


class Unreadable(Exception):  # noqa: N818 - not an error of the report, a remark in it
    """A file that is there and cannot be used; the message says why, without its name."""


def read_text(file: Path) -> str:
    """Return a file's text. Raises Unreadable."""
    try:
        if not file.is_file():
            raise Unreadable("is no file")
        if file.stat().st_size > MOST_BYTES:
            raise Unreadable(f"is larger than {MOST_BYTES // 1_000_000} MB")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unreadable("cannot be read: it is not text in UTF-8") from error


def read_config(file: Path) -> Row:
    """Return config.yaml. Raises Unreadable."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(read_text(file), Loader=loader)
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


def draws_episodes(settings: Row) -> bool:
    """Tell from the settings of a training (flat) whether its last epochs draw episodes; else its
    way and shot stand for nothing."""
    passes, epochs = settings.get("train.supervised_epochs"), settings.get("train.epochs")
    only_passes = isinstance(passes, int) and isinstance(epochs, int) and passes >= epochs
    return settings.get("method.name") != "classifier" and not only_passes


def read_summary(file: Path) -> Row:
    """Return summary.json. Raises Unreadable."""
    try:
        summary = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is damaged: {_one_line(error)}") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("results"), list):
        raise Unreadable("is not the summary of a run: it has no results")
    return summary


def read_results(file: Path) -> tuple[list[Row], list[str]]:
    """Return results.csv with numbers as numbers, and a line for each row that is left out."""
    rows, problems = [], []
    for line, texts in enumerate(_table(file, ("role", "protocol", "accuracy", "chance")), start=2):
        row = {key: _cell(key, text) for key, text in texts.items()}
        row |= {key: None for key in RESULT_COLUMNS if key not in row}
        fault = _fault(row)
        if fault:
            problems.append(f"line {line} is left out: {fault}")
        else:
            rows.append(row)
    return rows, problems


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


def _fault(row: Row) -> str | None:
    if not row["role"] or not row["protocol"]:
        return "it has no role or no protocol"
    for key in ("accuracy", "chance"):
        if not isinstance(row[key], int | float) or not 0 <= row[key] <= 1:
            return f"{key} is no fraction from 0 to 1"
    return None


def read_metrics(file: Path) -> dict[str, NDArray[np.float64]]:
    """Return metrics.csv, column to its values [epochs], NaN where a cell holds no number."""
    rows = _table(file, ("epoch",))
    values = {key: [_number(row.get(key, "")) for row in rows] for key in METRIC_COLUMNS}
    columns = {key: np.array(value, dtype=np.float64) for key, value in values.items()}
    sound = np.isfinite(columns["epoch"])  # the last line of a run that was killed may be torn
    return {key: value[sound] for key, value in columns.items()}


def read_confusion(file: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Return class names [C] and counts [C, C], or [C, C + 1] with a column of lost queries."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(file))))
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
    rows = enumerate(_table(file, ()), start=2)
    errors = ((line, " ".join((row.get("error") or "").split())) for line, row in rows)
    return [f"line {line} failed: {error}" for line, error in errors if error]


def _table(file: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file as texts. Raises Unreadable."""
    try:
        reader = csv.DictReader(io.StringIO(read_text(file)), restval="", restkey="")
        rows = [{key: value for key, value in row.items() if key} for row in reader]
    except csv.Error as error:
        raise Unreadable(f"is damaged: {_one_line(error)}") from error
    missing = [key for key in needed if key not in (reader.fieldnames or ())]
    if missing:
        raise Unreadable(f"has no column {', '.join(missing)}")
    return rows


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
