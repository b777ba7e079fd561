"""Find the folders of runs below given ones, and the jobs in the folder of a sweep."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot_fer.config.quoting import without_quotes
from fewshot_fer.system.progress import tqdm

SIGNS = ("results.csv", "metrics.csv", "summary.json")
"""A folder that holds one of these is a run's. So is one with a config.yaml of train or test."""
SWEEP = "sweep.csv"
UNFINISHED = "stopped before its end"


def find_folders(roots: Sequence[Path]) -> tuple[list[tuple[str, Path]], list[Path], list[str]]:
    """Return (name, folder) of all that may be runs, sorted, the folders of sweeps, and a line for
    each root without a run.

    Names are paths below the root, in front of them the root's own name where several are given.
    Links are followed; a folder that is met twice counts once.
    """
    found: dict[str, tuple[str, Path]] = {}
    sweeps: list[Path] = []
    problems = []
    for root in roots:
        fault = folder_fault(root)
        if fault:
            problems.append(fault)
            continue
        before = len(found)
        for folder, is_run in _walk(root):
            if not is_run:
                sweeps.append(folder)
                continue
            found.setdefault(os.path.realpath(folder), (_name(root, folder, len(roots)), folder))
        if len(found) == before:
            problems.append(f"{root} holds no run: no folder in it has a {', '.join(SIGNS)}")
    return sorted(found.values()), sweeps, problems


def folder_fault(path: Path) -> str:
    """Return why a path cannot be searched as a folder, in words with its name; "" if it can."""
    try:
        return "" if path.is_dir() else f"{path} is not a folder"
    except (OSError, ValueError) as error:  # a name that is too long, for one
        return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


@dataclass(frozen=True)
class JobRecord:
    """A job of a sweep. overrides: as typed, key -> value; error: "" where it is done; further:
    whether it stands beside the product of the sweep's values, with settings of its own."""

    number: int
    folder: Path
    overrides: dict[str, str]
    error: str
    further: bool = False


def read_jobs(folder: Path) -> list[JobRecord]:
    """Return all jobs that began in a sweep's folder, by number."""
    records = [_record(path.parent) for path in folder.glob("*/job.json")]
    return sorted(records, key=lambda record: record.number)


def read_job(file: Path) -> dict[str, Any]:
    """Return a job.json, nothing where there is none or it is torn."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _walk(root: Path) -> Iterator[tuple[Path, bool]]:
    """Yield each folder that may be a run's, True, or is a sweep's with its table, False."""
    seen: set[str] = set()
    walk = os.walk(root, followlinks=True)
    for folder, below, files in tqdm(walk, desc="looking for runs", leave=False, disable=None):
        real = os.path.realpath(folder)
        below[:] = [] if real in seen else sorted(n for n in below if not n.startswith("."))
        if real in seen:
            continue
        seen.add(real)
        if "config.yaml" in files or any(sign in files for sign in SIGNS):
            yield Path(folder), True
        elif SWEEP in files:
            yield Path(folder), False


def _name(root: Path, folder: Path, n_roots: int) -> str:
    below = folder.relative_to(root).as_posix()
    if below == ".":
        return root.resolve().name or str(root)
    return below if n_roots == 1 else f"{root.name or root}/{below}"


def _record(folder: Path) -> JobRecord:
    content, error = read_job(folder / "job.json"), UNFINISHED
    if (folder / "DONE").is_file():
        error = ""
    elif (folder / "error.txt").is_file():
        error = (folder / "error.txt").read_text(encoding="utf-8").splitlines()[0]
    words = [str(word) for word in content.get("overrides", [])]
    pairs = (word.lstrip("+").partition("=") for word in words)
    overrides = {key: without_quotes(value) for key, _, value in pairs}
    further = bool(content.get("further"))
    return JobRecord(int(content.get("number", 0)), folder, overrides, error, further)
