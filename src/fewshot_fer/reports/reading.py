"""Reading what runs left, and saying which file is wrong if one is."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.errors import RunError


def read_summary(file: Path) -> dict[str, Any]:
    """Return a run's summary.json. Raises RunError naming the file if it is none."""
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("results"), list):
        raise RunError(f"{file} is not the summary of a run: it has no results")
    return summary


def read_table(file: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return a CSV table of a run. Raises RunError naming the file, or the columns it lacks."""
    if not file.is_file():
        raise RunError(f"{file} is not there: {file.parent} is not the folder of a finished run")
    try:
        table = pd.read_csv(file, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise RunError(f"{file} has no column {', '.join(missing)}")
    return table


def finished_runs(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return every run below a folder that has a summary, oldest first, with its summary."""
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder")
    files = sorted(folder.rglob("summary.json"), key=lambda file: file.stat().st_mtime_ns)
    return [(file.parent, read_summary(file)) for file in files]
