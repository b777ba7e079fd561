"""Text on screen: aligned tables, and fractions in percent."""

import re
import unicodedata
from collections.abc import Collection, Sequence

UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Line breaks, other control characters, and bytes that are not UTF-8, as Python has them."""
RENAME = (
    "cannot stand in a table, since it is not UTF-8 (names from an archive of Windows, for one) or "
    "holds a line break: rename it"
)


def fits_table(text: str) -> bool:
    """Return whether a name can stand in tables, configurations and reports, which are UTF-8."""
    return UNFIT.search(text) is None


def text_table(rows: Sequence[Sequence[str]], left: int | Collection[int]) -> str:
    """Return rows of cells as lines of aligned columns, two spaces apart.

    left: how many columns, from the first, or which of them are flush left; others are flush right.

    >>> print(text_table([("행복", "1"), ("joy", "10")], left=1))
    행복   1
    joy   10
    """
    flush_left = range(left) if isinstance(left, int) else left
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            _padded(cell, width, number in flush_left)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _padded(cell: str, width: int, is_left: bool) -> str:
    blanks = " " * (width - _width(cell))
    return cell + blanks if is_left else blanks + cell


def _width(text: str) -> int:
    """Return how many places a text takes: two for a Korean letter, none for an accent."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.category(letter) in ("Mn", "Cf") for letter in text)


def percent(fraction: float) -> str:
    """Return a fraction in percent with one decimal: 0.415 as 41.5 %."""
    return f"{100 * fraction:.1f} %"


def interval(low: float, high: float) -> str:
    """Return two fractions in percent: 38.9..44.1."""
    return f"{100 * low:.1f}..{100 * high:.1f}"
