"""A run's folder: the tables and files that it holds, and how they reach the disk.

metrics.csv   one row an epoch: epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy,
              val_ci95 (half of the 95 % interval), seconds (of the epoch, validation included)
results.csv   one row a figure, columns in RESULT_COLUMNS
summary.json  the results with the configuration's fingerprint, versions, seed and seconds
config.yaml   the configuration, resolved
Accuracies are fractions 0..1. Rows are written and flushed one by one, so a run that dies keeps
what it had.
"""

import csv
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import yaml

from fewshot_fer.errors import RunError, writing
from fewshot_fer.event_files import EventFiles
from fewshot_fer.figure import Draw, draw_here

METRIC_COLUMNS = (
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "val_ci95",
    "seconds",
)
RESULT_COLUMNS = (
    "role",  # train, validation or test
    "dataset",
    "protocol",  # data set and shape in short, compound_4w5s for one
    "n_way",
    "k_shot",
    "n_query",
    "episodes",
    "disjoint",  # what support and query never share: group (clip, subject) or image
    "accuracy",
    "ci95_low",  # normal interval over episodes, as if each were independent
    "ci95_high",
    "uar",  # mean recall over the classes
    "loss",
    "chance",
    "n_images",  # images that episodes are drawn from
    "n_groups",  # clips, subjects or, without either, images
    "epoch",  # of the weights that were scored
    "group_ci95_low",  # bootstrap over the distinct groups asked: clips, subjects or images
    "group_ci95_high",
    "level",  # what an answer is: image, frame, clip, or clip_complete: lost clips count as errors
    "macro_f1",
    "deviation",  # of the accuracy over draws of a fixed support
    "majority",  # what always giving the commonest class would score
    "method",  # how it was answered: protonet, classifier, ...
    "episodes_id",  # equal where the very same episodes, or support and queries, were asked
    "trained_on_test",  # whether test images of any data set were in the training set
    "uses",  # what the answers rest on beside the support: nothing, or the names of the parts, ...
    "warnings",  # what the quick check found: shared_images:12 stand in two roles, shared_groups:3
)
Row = dict[str, Any]


class RunFolder:
    """The files of one run. Creates the folder; raises RunError where it cannot be written."""

    def __init__(self, folder: Path, stamps: Row | None = None) -> None:
        self.folder = folder
        self.stamps = stamps or {}  # columns that every result of this run has
        self.results: list[Row] = []
        self.events: EventFiles | None = None  # what else is told of every row
        self.draw: Draw = draw_here
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write to {folder}: {error.strerror}") from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.yaml, the resolved configuration."""
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        write_text(self.folder / "config.yaml", text)

    def withdraw(self) -> None:
        """Take config.yaml back from a run that wrote nothing else, so that no trace is left."""
        if [path.name for path in self.folder.iterdir()] == ["config.yaml"]:
            (self.folder / "config.yaml").unlink()

    def add_metrics(self, row: Row) -> None:
        """Append one epoch to metrics.csv."""
        append_row(self.folder / "metrics.csv", METRIC_COLUMNS, row)
        if self.events is not None:
            self.events.add_metrics(row)

    def rewrite_metrics(self, rows: list[Row]) -> None:
        """Set metrics.csv to these rows; without any there is no file."""
        path = self.folder / "metrics.csv"
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        for row in rows:
            append_row(partial, METRIC_COLUMNS, row)
        if rows:
            partial.replace(path)
        else:
            path.unlink(missing_ok=True)
        if self.events is not None:
            self.events.restart(rows)

    def add_result(self, row: Row) -> None:
        """Append one figure to results.csv."""
        row = {**row, **self.stamps}
        append_row(self.folder / "results.csv", RESULT_COLUMNS, row)
        self.results.append(row)
        if self.events is not None:
            self.events.add_result(row)

    def write_summary(self, facts: Row) -> None:
        """Write summary.json: `facts` and the results so far."""
        text = json.dumps({**facts, "results": self.results}, indent=2, ensure_ascii=False)
        write_text(self.folder / "summary.json", text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it, so that no half of it is ever seen."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def append_row(path: Path, columns: tuple[str, ...], row: Row) -> None:
    """Append a row to a CSV file, with a header if it is new, and push it to the disk."""
    new = not path.exists()
    with writing(path), path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerow([_cell(row.get(column, "")) for column in columns])
        file.flush()
        os.fsync(file.fileno())


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value


def plain_row(row: Row) -> Row:
    """Return a row with Python's own numbers in the place of NumPy's: a checkpoint holds no other.

    Same values, so the same text in a table.
    """
    return {key: getattr(value, "item", lambda value=value: value)() for key, value in row.items()}


def fingerprint(config: dict[str, Any]) -> str:
    """Return 16 hex digits that say which configuration this is, wherever its results are put."""
    paths = {key: value for key, value in config.get("paths", {}).items() if key != "outputs"}
    text = json.dumps({**config, "paths": paths}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
