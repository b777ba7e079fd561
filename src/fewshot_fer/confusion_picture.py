"""Confusion matrices as pictures, over real class names."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.figure import new_figure, save_figure


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
