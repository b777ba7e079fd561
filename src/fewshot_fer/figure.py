"""Figures written as picture files."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, dpi: int) -> "Figure":
    """Return an empty figure of so many inches that makes room for its labels when it is saved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)  # of its own, so that no window system is asked for
    return figure


def save_figure(figure: "Figure", picture: Path) -> None:
    """Write a figure that is complete as PNG. It is laid out first and then drawn once: left to
    itself, matplotlib draws all of it a first time for the layout."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    figure.savefig(picture, format="png")
