"""Text on screen: aligned tables, and fractions in percent."""

import re
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
    """
    flush_left = range(left) if isinstance(left, int) else left
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in flush_left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def percent(fraction: float) -> str:
    """Return a fraction in percent with one decimal: 0.415 as 41.5 %."""
    return f"{100 * fraction:.1f} %"


def interval(low: float, high: float) -> str:
    """Return two fractions in percent: 38.9..44.1."""
    return f"{100 * low:.1f}..{100 * high:.1f}"
