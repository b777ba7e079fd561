"""Figures saved as PNG, and fonts for the letters on pictures.

matplotlib's DejaVu has Latin, Greek, Cyrillic, Arabic and Hebrew letters, and no Korean, Chinese,
Japanese or Indian ones. For those the first installed font of OTHERS is taken; where none is, boxes
are drawn in their place. Tables and JSON hold every name as it is.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageFont

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEJAVU = "DejaVu Sans"
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


def new_figure(width: float, height: float, dpi: int) -> "Figure":
    """Return an empty figure of so many inches that makes room for its labels when it is saved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)  # of its own, so that no window system is needed
    return figure


def save_figure(figure: "Figure", picture: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(picture, format="png")


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font of `size` pixels that has the letters of `text`, DejaVu where there is none."""
    return _font(_file_for(text), size)


def families(texts: tuple[str, ...]) -> list[str]:
    """Return the names of the fonts that matplotlib is to try, in order, for all these texts."""
    if _has_letters(_font_file(DEJAVU), "".join(texts)):
        return [DEJAVU]
    return [DEJAVU, *(name for name in OTHERS if _font_file(name))]


@functools.cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def _file_for(text: str) -> str:
    dejavu = _font_file(DEJAVU)
    if text.isascii() or _has_letters(dejavu, text):
        return dejavu
    others = map(_font_file, OTHERS)
    return next((file for file in others if file and _has_letters(file, text)), dejavu)


def _has_letters(file: str, text: str) -> bool:
    return all(ord(letter) in _letters(file) for letter in text)


@functools.cache
def _letters(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(file).get_charmap())


@functools.cache
def _font_file(family: str) -> str:
    """Return the file of a font, an empty string if it is not installed."""
    import matplotlib

    if family == DEJAVU:  # comes with matplotlib
        return str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf")
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    return next((font.fname for font in fonts if font.name == family), "")
