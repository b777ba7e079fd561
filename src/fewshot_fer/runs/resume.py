"""Resuming a training run that was stopped, as if it never had been.

Whatever is random in training is a function of seed and epoch alone, so the weights, the optimiser
and the tables written so far are all that must be known. A run goes on from the end of its last
whole epoch: one that was stopped halfway is begun again.
"""

import contextlib
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from fewshot_fer.config.names import imported_plugins
from fewshot_fer.config.quoting import command_line
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.runs.folder import METRIC_COLUMNS, RunFolder
from fewshot_fer.system.device import is_out_of_memory
from fewshot_fer.system.errors import ConfigError, RunError, WriteError
from fewshot_fer.system.files import Row

PLACE = re.compile(
    r"paths\.data|episodes\.load|backbone\.weights|train\.teacher|"
    r"((eval|test\.[^.]+)\.)?dataset\.(root|file)"
)
"""Settings that say where data lie, and so may change while a run goes on."""
TABLES_OF_THE_END = ("results.csv", "answers.csv", "predictions.csv", "recalls.csv")


@dataclass(frozen=True)
class Progress:
    """Progress of a run at the end of an epoch, stored in its checkpoint.

    metrics: the rows of metrics.csv; trained: the row of results.csv for the last training epoch;
    best_*: of the best validation so far; choices: the files of conf/ that were taken.
    """

    metrics: list[Row]
    trained: Row
    best_epoch: int
    best_accuracy: float
    best_loss: float
    choices: dict[str, str]


def settings_to_resume(typed: TrainVerb, overrides: list[str]) -> tuple[TrainVerb, Path]:
    """Return the settings and the folder of the run that `resume=` names.

    Words that say where its data lie now count; whether they are the same is checked once they are
    read. Raises ConfigError for other words, and RunError where there is no such run, nothing is
    left to do, or the folder holds links, through which one would write elsewhere.
    """
    assert typed.resume is not None
    folder = Path(typed.resume).expanduser()
    settings = _with_places(read_run_settings(folder), typed, overrides)
    if (folder / "summary.json").is_file():
        raise RunError(f"{folder} is finished: there is nothing to resume")
    if link := next((path for path in folder.rglob("*") if path.is_symlink()), None):
        raise RunError(f"{link} is a link, and a run writes none: put the file itself there")
    return settings, folder


def _with_places(stored: TrainVerb, typed: TrainVerb, overrides: list[str]) -> TrainVerb:
    """Return the settings of a run with the places of its data that are typed."""
    placed = copy.deepcopy(stored)
    for word in overrides:
        key = word.lstrip("+").partition("=")[0]
        if PLACE.fullmatch(key):
            *path, last = key.split(".")
            setattr(_below(placed, path), last, getattr(_below(typed, path), last))
        elif key != "resume" and (key, list(typed.test)) != ("test", list(stored.test)):
            raise ConfigError(
                f"resume={typed.resume} goes on with the settings of that run: leave out {word}. "
                f"Only where its data lie can be given anew: paths.data=, dataset.root=, "
                f"dataset.file=, eval.dataset.root= and the like"
            )
        if key == "paths.data":
            placed.paths.demo = False
    return placed


def _below(settings: Any, path: list[str]) -> Any:  # noqa: ANN401
    """Return the part of settings that a path leads to. Raises ConfigError where there is none."""
    for name in path:
        found = settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)
        if found is None:
            raise ConfigError(f"{'.'.join(path)}: the run has no such setting")
        settings = found
    return settings


def last_progress(folder: Path) -> tuple[Checkpoint, Progress] | None:
    """Return the last checkpoint of a run and its progress, None without a checkpoint.

    Raises RunError where last.pt is damaged or of a run that kept no progress.
    """
    path = folder / "last.pt"
    if not path.exists():
        return None
    checkpoint = load_checkpoint(path)
    return checkpoint, progress_of(checkpoint, path)


def progress_of(checkpoint: Checkpoint, path: Path) -> Progress:
    """Return the progress in a checkpoint, checked. Raises RunError naming `path`."""
    try:
        progress = Progress(**(checkpoint.progress or {}))
        if not _is_sound(progress, checkpoint.epoch):
            raise ValueError("a field of another type")
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        raise RunError(f"{path} does not say how far the run had come") from error
    return progress


@contextlib.contextmanager
def restored(folder: Path) -> Iterator[None]:
    """Raise RunError in the place of torch's errors where weights do not fit the network."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        path, config = folder / "last.pt", folder / "config.yaml"
        raise RunError(f"{path} is of another network or optimiser than {config} names") from error


def rewind_tables(folder: RunFolder, progress: Progress | None) -> None:
    """Set the tables back to the end of the last whole epoch, or empty without progress."""
    for name in TABLES_OF_THE_END:
        (folder.folder / name).unlink(missing_ok=True)
    rows = [] if progress is None else progress.metrics
    folder.rewrite_metrics([{key: row[key] for key in METRIC_COLUMNS} for row in rows])


def clear_partials(folder: Path) -> None:
    """Remove files that a killed process left half written: no other writes into its folder."""
    for path in folder.glob(".*.[0-9]*"):
        if path.is_file():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def naming_resume_command(folder: Path) -> Iterator[None]:
    """Add the command that resumes the run to a WriteError."""
    try:
        yield
    except WriteError as error:
        again = resume_command(folder)
        raise WriteError(f"{error}. What stands there is whole; go on with: {again}") from error


def stop_message(folder: Path) -> str:
    """Return the message of a run that a signal ended outside of its steps, with the command."""
    if not (folder / "config.yaml").is_file():
        return "interrupted"
    return f"stopped, and what stands there is whole. Go on with: {resume_command(folder)}"


def resume_command(folder: Path) -> str:
    """Return the command that resumes a run, with the modules that it needs."""
    plugins = imported_plugins()
    return command_line("train", resume=folder, **({"plugins": plugins} if plugins else {}))


def _is_sound(progress: Progress, epoch: int) -> bool:
    """Return whether every field is of its type, with metrics of each epoch up to this one."""
    metrics: object = progress.metrics  # as a file has it
    if not isinstance(metrics, list):
        return False
    values = [row[column] for row in progress.metrics for column in METRIC_COLUMNS]
    values += [progress.best_epoch, progress.best_accuracy, progress.best_loss]
    numbers = all(type(value) in (int, float) for value in values)
    words = chain(progress.trained.keys(), *progress.choices.items())
    return numbers and len(progress.metrics) == epoch and all(isinstance(w, str) for w in words)
