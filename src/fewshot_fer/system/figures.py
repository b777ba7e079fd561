"""Figures saved as PNG, and fonts for the letters on pictures.

matplotlib's DejaVu has Latin, Greek, Cyrillic, Arabic and Hebrew letters, and no Korean, Chinese,
Japanese or Indian ones. For those an installed font that has them is taken; where none has, boxes
are drawn in their place, and a line says what to install. Tables and JSON hold every name as it is.
"""

import contextlib
import functools
import logging
import unicodedata
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageFont

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontEntry

DEJAVU = "DejaVu Sans"
PREFERRED = (
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
)
"""Plain fonts, of those that have the letters."""
BOXES = (
    "Last Resort High-Efficiency",
    "LastResort",
    ".LastResort",
)  # every letter is a box in them
SYMBOLS = "emoji and other signs"
PACKAGES = dict.fromkeys(
    [f"{script} letters" for script in ("Cjk", "Hiragana", "Katakana", "Bopomofo")],
    "fonts-noto-cjk",
) | {"Hangul letters": "fonts-nanum", SYMBOLS: "fonts-symbola"}
"""Script -> the package of Debian and Ubuntu that has a font for it; fonts-noto for any other."""
log = logging.getLogger("fewshot_fer")


def new_figure(width: float, height: float, dpi: int) -> "Figure":
    """Return an empty figure of so many inches that makes room for its labels when it is saved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)  # of its own, so that no window system is needed
    return figure


def save_figure(figure: "Figure", picture: Path) -> None:
    """Write a figure as PNG, its texts in fonts that have their letters."""
    from matplotlib.text import Text

    for axes in figure.axes:  # the labels of ticks get their text when they are looked for
        axes.get_xticklabels(), axes.get_yticklabels()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    fonts = _fonts_for("".join(text.get_text() for text in texts))
    if fonts:
        for text in texts:
            text.set_fontfamily([DEJAVU, *(font.name for font in fonts)])
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of letters no font has
        figure.savefig(picture, format="png")


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font of `size` pixels that has the letters of `text`, DejaVu where there is none."""
    fonts = _fonts_for(text)
    return _font(fonts[0].fname if fonts else str(_dejavu()), size)


@functools.cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


@functools.lru_cache(maxsize=10_000)
def _fonts_for(text: str) -> tuple["FontEntry", ...]:
    """Return the fonts for the letters that DejaVu has not, the one that has most of them first."""
    if text.isascii():
        return ()
    shown = {ord(letter) for letter in text if unicodedata.category(letter)[0] not in "CZ"}
    missing, chosen = shown - _letters(str(_dejavu())), []
    while missing:
        best = max(_installed(), key=lambda font: len(missing & _letters(font.fname)))
        if not missing & _letters(best.fname):
            for letter in sorted(missing):
                _warn_of(_script(chr(letter)))
            break
        chosen.append(best)
        missing -= _letters(best.fname)
    return tuple(chosen)


def _script(letter: str) -> str:
    if unicodedata.category(letter)[0] == "S":
        return SYMBOLS
    return unicodedata.name(letter, "UNKNOWN").split()[0].capitalize() + " letters"


@functools.cache
def _warn_of(script: str) -> None:
    """Say once that letters of a script are drawn as boxes."""
    log.warning(
        "no installed font has %s: pictures show boxes in their place; install one, with "
        "apt-get install %s for example, or from https://fonts.google.com/noto",
        script,
        PACKAGES.get(script, "fonts-noto"),
    )


@functools.cache
def _installed() -> tuple["FontEntry", ...]:
    """Return all fonts but DejaVu, preferred and upright ones of usual weight first."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    listed = {font.fname for font in manager.ttflist}  # matplotlib made this list once and keeps it
    for file in sorted(set(font_manager.findSystemFonts()) - listed):
        with contextlib.suppress(Exception):  # strange files raise strange errors
            manager.addfont(file)

    def rank(font: "FontEntry") -> tuple[int, bool, int, str]:
        preferred = PREFERRED.index(font.name) if font.name in PREFERRED else len(PREFERRED)
        weight = font.weight if isinstance(font.weight, int) else 400
        return preferred, font.style != "normal", abs(weight - 400), font.name

    found = (font for font in manager.ttflist if font.name not in (DEJAVU, *BOXES))
    return tuple(sorted(found, key=rank))


@functools.cache
def _letters(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):  # as of a font that was removed
        return frozenset()


def _dejavu() -> Path:
    """Return the file that comes with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
