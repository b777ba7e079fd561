"""Figures written as picture files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, dpi: int) -> "Figure":
    """Return an empty figure of so many inches that makes room for its labels when it is saved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)  # of its own, so that no window system is asked for
    return figure


def save_figure(figure: "Figure", picture: Path | BinaryIO) -> None:
    """Write a figure that is complete as PNG, as large and in the colours that it has: matplotlib's
    settings of its own for saving (savefig.dpi) do not count. It is laid out first and then drawn
    once: matplotlib would draw all of it for the layout, and savefig again for the renderer."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    fast = {"compress_level": 3}  # a twentieth larger than by default, in half the time
    # Of new_figure's canvas, which mypy does not know of.
    figure.canvas.print_png(picture, pil_kwargs=fast)  # type: ignore[attr-defined]


class Draw(Protocol):
    """Draw a picture, at once or later: `function`, of a module, is called with what is given."""

    def __call__(self, function: Callable[..., None], *given: object) -> None: ...


def draw_here(function: Callable[..., None], *given: object) -> None:
    """Draw a picture at once, in this process."""
    function(*given)
