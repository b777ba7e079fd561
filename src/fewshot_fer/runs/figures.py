"""Pictures of a run, for those who would rather look than read.

Confusion matrices as pictures, over real class names.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.system.figures import new_figure, save_figure


def plot_curves(metrics: Path, chances: tuple[float, float], picture: Path) -> None:
    """Draw accuracy and loss over the epochs of a metrics.csv.

    chances: what guessing gives in training and in validation, as fractions; the shapes of the
    episodes differ, so the two accuracies are not comparable without them.
    """
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    table = pd.read_csv(metrics)
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
    save_figure(figure, picture)


def plot_confusion(
    confusion: NDArray[np.int64], class_names: tuple[str, ...], title: str, picture: Path
) -> None:
    """Draw rows as percent of the true class: what became of each expression.

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
    save_figure(figure, picture)
