"""A run's folder: the tables and files that it holds, and how they reach the disk.

metrics.csv   one row an epoch: epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy,
              val_ci95 (half of the 95 % interval), seconds (of the epoch, validation included)
results.csv   one row a figure, columns in RESULT_COLUMNS
summary.json  the results with the configuration's fingerprint, versions, seed and seconds
config.yaml   the configuration, resolved
Accuracies are fractions 0..1. Rows are written and flushed one by one, so a run that dies keeps
what it had.

A run's figures for TensorBoard, beside its tables: logger=tensorboard.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from fewshot_fer.config.schema import fingerprint
from fewshot_fer.runs.config_file import (
    provenance,
)
from fewshot_fer.system.errors import ConfigError, RunError
from fewshot_fer.system.files import Row, append_row, write_text
from fewshot_fer.system.text import results_table

FOLDER = "tensorboard"


def require_tensorboard() -> Any:  # noqa: ANN401 - the class is only known where it is installed
    """Return TensorBoard's writer. Raises ConfigError where the extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            'logger=tensorboard needs an extra: type pip install "fewshot_fer[tensorboard]"'
        ) from error
    return SummaryWriter


class EventFiles:
    """Writes scalars into <run>/tensorboard; the tables stay the record.

    Raises ConfigError where TensorBoard is not installed.
    """

    def __init__(self, run: Path) -> None:
        self._kind = require_tensorboard()
        self.folder = run / FOLDER
        self._writer = self._open()

    def _open(self) -> Any:  # noqa: ANN401
        return self._kind(str(self.folder))

    def restart(self, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Begin anew with the epochs that a resumed run stands at the end of."""
        self._writer.close()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        self._writer = self._open()
        for row in metrics:
            self.add_metrics(row)

    def add_metrics(self, row: Mapping[str, Any]) -> None:
        """Write one epoch, a row of metrics.csv."""
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(_grouped(name), float(value), epoch)
        self._writer.flush()

    def add_result(self, row: Mapping[str, Any]) -> None:
        """Write the accuracy and the loss of a row of results.csv, at the epoch of its weights."""
        parts = (row["role"], row["protocol"], row.get("method"), row.get("level"))
        name = "/".join(str(part) for part in parts if part)
        for kind in ("accuracy", "loss"):
            if row.get(kind) not in (None, ""):
                self._writer.add_scalar(f"{name}/{kind}", float(row[kind]), int(row["epoch"]))
        self._writer.flush()


def _grouped(column: str) -> str:
    """Return where a column of metrics.csv stands: training and validation in one picture each."""
    side, _, kind = column.partition("_")
    return f"{kind}/{side}" if kind in ("loss", "accuracy", "ci95") else column


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


class RunFolder:
    """The files of one run. Creates the folder; raises RunError where it cannot be written."""

    def __init__(self, folder: Path, stamps: Row | None = None) -> None:
        self.folder = folder
        self.stamps = stamps or {}  # columns that every result of this run has
        self.results: list[Row] = []
        self.events: EventFiles | None = None  # what else is told of every row
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


def finish_run(
    folder: RunFolder,
    config: dict[str, Any],
    facts: dict[str, Any],
    device: torch.device,
    started: float,
) -> None:
    seconds = round(time.perf_counter() - started, 1)
    summary = {"fingerprint": fingerprint(config), **facts, "seconds": seconds}
    folder.write_summary(summary | provenance(device))
    print(f"\n{results_table(folder.results)}\n\n{seconds:.0f} s, written to {folder.folder}")
