"""Collect the runs in any mix of folders, of runs and of sweeps, finished or not."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.runs.find import find_folders
from fewshot_fer.runs.read import (
    Row,
    Unreadable,
    flatten,
    read_config,
    read_confusion,
    read_failures,
    read_metrics,
    read_results,
    read_summary,
)
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.progress import tqdm

log = logging.getLogger("fewshot_fer")
STAMP = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
SHOWN = 20  # lines on screen; the page holds all
FINISHED, UNFINISHED = "finished", "unfinished"
Read = TypeVar("Read")


@dataclass(frozen=True)
class Confusion:
    """counts [C, C] over class_names, rows true; one further column counts lost queries."""

    role: str
    protocol: str
    class_names: list[str]
    counts: NDArray[np.int64]


@dataclass
class Run:
    """The content of a run's folder. What is missing or damaged is empty, and named in `problems`.

    name: its path below the folder that was given; short: the end of it, without the time, where
    that tells it from all others; settings: the configuration, flat; trained: for a test, the
    settings of the run that was tested; results: of results.csv; metrics: column to [epochs].
    """

    number: int
    name: str
    folder: Path
    short: str = ""
    settings: Row = field(default_factory=dict)
    trained: Row = field(default_factory=dict)
    summary: Row = field(default_factory=dict)
    results: list[Row] = field(default_factory=list)
    metrics: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    confusions: list[Confusion] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def verb(self) -> str:
        return "test" if "run" in self.settings else "train"

    @property
    def state(self) -> str:
        return FINISHED if self.summary else UNFINISHED

    @property
    def epochs(self) -> tuple[int, int | None]:
        """Epochs done, and epochs of the configuration if that is known."""
        planned = self.settings.get("train.epochs")
        done = self.metrics.get("epoch", np.zeros(0))
        return int(done.max()) if len(done) else 0, planned if isinstance(planned, int) else None

    @property
    def sweep(self) -> str:
        """The folder of the sweep that this is a job of, or nothing."""
        above = self.folder.parent
        signs = ("sweep.csv", "multirun.yaml")
        swept = above.parent.name == "sweeps" or any((above / sign).is_file() for sign in signs)
        return above.name if swept else ""

    @property
    def tested(self) -> str:
        """The folder of the run that a test names, as it stands there, or nothing."""
        named: Any = self.summary.get("run") or self.settings.get("run")
        return named if self.verb == "test" and isinstance(named, str) else ""

    @property
    def everything(self) -> Row:
        """The settings of a run or, for a test, those of its training below its own."""
        own = self.settings.items()  # of a test, null means: as the run was trained
        return self.trained | {k: v for k, v in own if v is not None or k not in self.trained}

    def best(self, role: str) -> Row | None:
        """Return the first result of a role, its headline."""
        return next((row for row in self.results if row["role"] == role), None)


def collect_runs(roots: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Return every run in or below the folders, by name, and a line for each thing that is wrong.

    Raises RunError where there is not a single run.
    """
    folders, sweeps, problems = find_folders(roots)
    bar = tqdm(folders, desc="reading runs", unit="run", leave=False, disable=None)
    read = [read_run(number, name, folder) for number, (name, folder) in enumerate(bar, start=1)]
    runs = [run for run in read if run is not None]
    failures = _failed_jobs([*sweeps, *(run.folder.parent for run in runs)])
    if not runs:
        raise RunError("; ".join([*problems, *failures]) or f"{roots[0]} holds no run")
    problems += failures
    for number, run in enumerate(runs, start=1):
        run.number, run.short = number, _short(run)
    shorts = Counter(run.short for run in runs)
    for run in runs:
        if shorts[run.short] > 1:
            run.short = run.name
        problems += [f"{run.name}: {problem}" for problem in run.problems]
    return runs, problems


def read_run(number: int, name: str, folder: Path) -> Run | None:
    """Return the run in a folder, or None where its config.yaml is that of something else."""
    run = Run(number, name, folder)
    config = _read(run, "config.yaml", read_config, needed=True) or {}
    if config and not {"train", "dataset"} <= set(config) and not {"run", "test"} <= set(config):
        if not (folder / "results.csv").is_file():
            return None
        run.problems.append("config.yaml is not that of a training or a test")
        config = {}
    run.settings = flatten(config)
    run.summary = _read(run, "summary.json", read_summary) or {}
    run.results, faults = _read(run, "results.csv", read_results) or ([], [])
    run.problems += [f"results.csv, {fault}" for fault in faults]
    run.metrics = _read(run, "metrics.csv", read_metrics) or {}
    run.trained = _trained_settings(run)
    for file in sorted(folder.glob("confusion_*.csv")):
        role, _, protocol = file.stem.removeprefix("confusion_").partition("_")
        content = _read(run, file.name, read_confusion)
        if content is not None and role and protocol:
            run.confusions.append(Confusion(role, protocol, *content))
    if run.summary and not run.results:
        run.problems.append("summary.json is there, but no results.csv that can be read")
    return run


def log_problems(problems: Sequence[str]) -> None:
    """Log what is wrong as warnings, one line each, so that it stands on screen."""
    for problem in problems[:SHOWN]:
        log.warning("%s", problem)
    if len(problems) > SHOWN:
        log.warning("and %d more, all in report.html", len(problems) - SHOWN)


def draws_episodes(settings: Row) -> bool:
    """Tell whether the last epochs of a training draw episodes; else its way and shot do not count.

    settings: flat, and possibly incomplete.
    """
    supervised, epochs = settings.get("train.supervised_epochs"), settings.get("train.epochs")
    only_passes = isinstance(supervised, int) and isinstance(epochs, int) and supervised >= epochs
    return settings.get("method.name") != "classifier" and not only_passes


def _read(run: Run, name: str, read: Callable[[Path], Read], needed: bool = False) -> Read | None:
    """Return a file's content, or None where it is missing or damaged, which is then noted."""
    file = run.folder / name
    if not needed and not file.exists():
        return None
    try:
        return read(file)
    except Unreadable as error:
        run.problems.append(f"{name} {error}")
        return None


def _trained_settings(run: Run) -> Row:
    """Return the settings of the run that a test names, nothing where it is not there any more."""
    if not run.tested:
        return {}
    try:
        return flatten(read_config(Path(run.tested).expanduser() / "config.yaml"))
    except (Unreadable, ValueError):
        return {}


def _failed_jobs(folders: Sequence[Path]) -> list[str]:
    """Return a line for each job that a sweep.csv says has failed: it may have no run's folder."""
    lines = []
    for folder in {folder.resolve(): folder for folder in folders}.values():
        file = folder / "sweep.csv"
        try:
            found = read_failures(file) if file.exists() else []
        except Unreadable as error:
            found = [str(error)]
        lines += [f"{folder.name}/sweep.csv, {line}" for line in found]
    return lines


def _short(run: Run) -> str:
    parts = run.name.split("/")[-2 if run.sweep else -1 :]
    return "/".join(STAMP.sub("", part) or part for part in parts)
