"""Reading what runs left, and saying which file is wrong if one is."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.answers import COLUMNS as ANSWER_COLUMNS
from fewshot_fer.errors import RunError

TEXTS = ("role", "protocol", "method", "level")
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
    return [(file.parent, read_summary(file)) for file in files]


def read_summary(file: Path) -> dict[str, Any]:
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
        for key in TEXTS:
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
