"""Figures written as picture files.

Letters on pictures: matplotlib's DejaVu, or an installed font for scripts that it lacks.

DejaVu draws Latin, Greek, Cyrillic, Arabic and Hebrew letters, and no Korean, Chinese, Japanese or
Indian ones. For those the first font below that is installed is taken; where none is, boxes are
drawn in their place. Tables and JSON hold every name as it is.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from PIL import ImageFont

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


OTHERS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
)
DEJAVU = "DejaVu Sans"


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font of `size` pixels that has the letters of `text`, DejaVu where there is none."""
    return _font(_file(text), size)


def families(texts: tuple[str, ...]) -> list[str]:
    """Return the names of fonts that matplotlib is to try, in order, for all these texts."""
    if _draws(_installed(DEJAVU), "".join(texts)):
        return [DEJAVU]
    return [DEJAVU, *(name for name in OTHERS if _installed(name))]


@functools.cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def _file(text: str) -> str:
    dejavu = _installed(DEJAVU)
    if text.isascii() or _draws(dejavu, text):
        return dejavu
    others = map(_installed, OTHERS)
    return next((file for file in others if file and _draws(file, text)), dejavu)


def _draws(file: str, text: str) -> bool:
    return all(ord(letter) in _letters(file) for letter in text)


@functools.cache
def _letters(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(file).get_charmap())


@functools.cache
def _installed(family: str) -> str:
    """Return the file of a font, an empty string if it is not installed."""
    import matplotlib

    if family == DEJAVU:  # comes with matplotlib
        return str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf")
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    return next((font.fname for font in fonts if font.name == family), "")
