"""Figures of a run: curves and confusion matrices as pictures, event files for TensorBoard.

TensorBoard's files repeat what the tables hold, which stay the record.
"""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.system.errors import needing_extra
from fewshot_fer.system.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_curves(metrics: Path, chances: tuple[float, float], picture: Path) -> None:
    """Save the picture of accuracy and loss over the epochs of a metrics.csv."""
    save_figure(curves_figure(pd.read_csv(metrics), chances), picture)


def curves_figure(table: pd.DataFrame, chances: tuple[float, float]) -> "Figure":
    """Return a figure of accuracy and loss over the epochs of a metrics.csv.

    chances: what guessing gives in training and in validation, as fractions; the shapes of the
    episodes differ, so the two accuracies are not comparable without them.
    """
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    figure = new_figure(9, 3.9, dpi=120)
    accuracy, loss = figure.subplots(1, 2)
    sides = (
        ("train", "training", chances[0], "tab:blue"),
        ("val", "validation", chances[1], "tab:orange"),
    )
    for side, label, chance, colour in sides:
        style = {"color": colour, "marker": "o" if len(table) < 12 else None}
        accuracy.plot(table["epoch"], 100 * table[f"{side}_accuracy"], label=label, **style)
        accuracy.axhline(100 * chance, color=colour, linestyle=":", label=f"chance, {label}")
        loss.plot(table["epoch"], table[f"{side}_loss"], label=label, **style)
    low, high = table["val_accuracy"] - table["val_ci95"], table["val_accuracy"] + table["val_ci95"]
    accuracy.fill_between(table["epoch"], 100 * low, 100 * high, color="tab:orange", alpha=0.2)
    accuracy.set(xlabel="epoch", ylabel="accuracy, %", title="Accuracy (band: 95 % interval)")
    loss.set(xlabel="epoch", ylabel="loss", title="Loss", yscale="log")
    accuracy.set_ylim(0, 100)
    loss.yaxis.set_major_formatter(ScalarFormatter())
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3, which="both")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(
        *accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def plot_confusion(
    confusion: NDArray[np.int64], class_names: tuple[str, ...], title: str, picture: Path
) -> None:
    """Save the picture of a confusion matrix."""
    save_figure(confusion_figure(confusion, class_names, title), picture)


def confusion_figure(
    confusion: NDArray[np.int64], class_names: tuple[str, ...], title: str
) -> "Figure":
    """Return a figure of a confusion matrix in percent of the true class.

    confusion [C, C]: queries of true class (row) given as class (column).
    """
    shares = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.55 * len(class_names)
    figure = new_figure(side, side, dpi=110)
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=100, cmap="Blues")
    places = range(len(class_names))
    axes.set_xticks(places, class_names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, class_names)
    axes.set(xlabel="given", ylabel="true", title=f"{title}\n% of the true class")
    for row in places:
        for column in places:
            share = shares[row, column]
            colour = "white" if share > 55 else "black"
            text = axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=colour)
            text.set_in_layout(False)  # a hundred boxes that lie within the map anyway
    return figure


def require_tensorboard() -> Any:  # noqa: ANN401 - the class is only known where it is installed
    """Return TensorBoard's writer. Raises ConfigError where the extra is not installed."""
    with needing_extra("tensorboard", "logger=tensorboard"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter


class EventFiles:
    """Writes scalars into <run>/tensorboard.

    Raises ConfigError where TensorBoard is not installed.
    """

    def __init__(self, run: Path) -> None:
        self._kind = require_tensorboard()
        self.folder = run / "tensorboard"
        self._writer = self._kind(str(self.folder))

    def restart(self, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Start the files again with the epochs that a resumed run has behind it."""
        self._writer.close()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        self._writer = self._kind(str(self.folder))
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
        names = (row["role"], row["protocol"], row.get("method"), row.get("level"))
        name = "/".join(str(each) for each in names if each)
        for kind in ("accuracy", "loss"):
            if row.get(kind) not in (None, ""):
                self._writer.add_scalar(f"{name}/{kind}", float(row[kind]), int(row["epoch"]))
        self._writer.flush()


def _grouped(column: str) -> str:
    """Return the tag of a column of metrics.csv: training and validation share a picture."""
    side, _, kind = column.partition("_")
    return f"{kind}/{side}" if kind in ("loss", "accuracy", "ci95") else column
