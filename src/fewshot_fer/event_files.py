"""A run's figures for TensorBoard, beside its tables: logger=tensorboard."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot_fer.errors import ConfigError

FOLDER = "tensorboard"
LOGGERS = ("csv", "tensorboard")


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
