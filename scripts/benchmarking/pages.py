"""The manual's tables of figures, each between two marks of its page.

    <!-- benchmark: evaluation -->
    what stands here is written anew
    <!-- end -->

`evaluation` is a section measured on a CPU, `evaluation cuda` what a GPU gave in it.
"""

import re
import shlex
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarking.result import Figure
from benchmarking.writing import HEADINGS, cells
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.files import write_text

MARKED = re.compile(r"(<!-- benchmark: ([\w ]+) -->\n)(.*?)(<!-- end -->)", re.S)
OPENING = re.compile(r"<!-- benchmark: ([\w ]+) -->")
KEPT = ("what", "backbone", "against", "median", "min", "max", "ours", "theirs", "must be")
LEFT = 3  # columns of text, the first of KEPT


def check_page(page: Path) -> str:
    """Return a page's text. Raises RunError where it cannot be read, or marks are not in pairs."""
    try:
        text = page.read_text(encoding="utf-8")
        names_of(text)
    except OSError as error:
        raise RunError(f"cannot read {page}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{page}: {error}") from error
    return text


def write_page(
    page: Path, figures: Sequence[Figure], machines: dict[str, str], words: Sequence[str]
) -> None:
    """Write the tables of figures into a page of the manual.

    machines: device -> a phrase that names where it is; words: what was typed after `python`.
    Sections that were not measured keep what stands there. Raises RunError as `check_page` does.
    """
    when = f"`{shlex.join(['python', *words])}` on {time.strftime('%Y-%m-%d')}"
    headings = {device: f"{when}, {machine}:" for device, machine in machines.items()}
    write_text(page, rewritten(check_page(page), tables(figures, headings)))


def names_of(text: str) -> list[str]:
    """Return the names of a page's marks, in order. Raises ValueError where one has no end."""
    found = [match[2] for match in MARKED.finditer(text)]
    begun, ended = OPENING.findall(text), text.count("<!-- end -->")
    # An end that is missing would let the table before swallow the next mark.
    if begun != found or ended != len(begun):
        raise ValueError(f"{len(begun)} marks <!-- benchmark: ... -->, {ended} <!-- end -->")
    return found


def rewritten(text: str, made: dict[str, str]) -> str:
    """Return a page with the tables that were made, all else as it was."""
    names_of(text)
    return MARKED.sub(lambda found: f"{found[1]}{made.get(found[2], found[3])}{found[4]}", text)


def tables(figures: Sequence[Figure], headings: dict[str, str]) -> dict[str, str]:
    """Return name -> heading and table, of each section and device that was measured.

    headings: device -> what stands above its tables.
    """
    parts: dict[str, list[Figure]] = {}
    for figure in figures:
        name = figure.section if figure.device == "cpu" else f"{figure.section} {figure.device}"
        parts.setdefault(name, []).append(figure)
    return {
        name: f"{headings[part[0].device]}\n\n{_table(part)}\n\n" for name, part in parts.items()
    }


def _table(figures: Collection[Figure]) -> str:
    """Return the columns of KEPT that are of use for these figures."""
    rows = [dict(zip(HEADINGS, cells(figure), strict=True)) for figure in figures]
    for row, figure in zip(rows, figures, strict=True):
        if figure.spread.turns == 1:
            row["min"] = row["max"] = ""
    shown = [name for name in KEPT if any(row[name] for row in rows)]
    sides = ["---" if KEPT.index(name) < LEFT else "---:" for name in shown]
    lines = [shown, sides, *([row[name] for name in shown] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
