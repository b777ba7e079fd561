"""Read lists of FER+'s votes, and give a picture the class of its votes.

Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label
distribution", ICMI 2016, and its code (microsoft/FERPlus, src/ferplus.py). Majority is as there:
single votes are set to 0 first; a class is then what has more than half of all votes left, those
for unknown and NF (no face) among them; a picture without, or of these two, is left out.

With dataset.votes=compound two emotions that share the votes are one class: where, single votes set
to 0, exactly two columns have 30 % of the votes or more and both are emotions (not neutral, unknown
or NF), the class is their compound, else as by majority. 30 % is what the paper's multi-label
target asks of a label. Of ten votes:

    surprise 6, fear 4                  fearfully surprised   (by majority: surprise)
    anger 4, disgust 4, sadness 2       angrily disgusted     (by majority: left out)
    anger 5, contempt 4, neutral 1      anger contempt        (by majority: anger)
    surprise 8, fear 2                  surprise
    neutral 6, sadness 4                neutral: it is no emotion that could be part of a compound
    sadness 4, fear 3, anger 3          left out: three share the votes
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fewshot_fer.data.labels import EXPRESSIONS, canonical
from fewshot_fer.data.picture_parts import boxed
from fewshot_fer.data.splits import SPLITS
from fewshot_fer.system.errors import DataError

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
COLUMNS = (*CLASSES, "unknown", "NF")  # of votes
BOX = "(0, 0, 48, 48)"  # left, top, right, bottom: all of a picture


class Line(NamedTuple):
    """A line of votes. where: file and line, for messages; name: "" for a picture without one."""

    where: str
    split: str
    name: str
    box: str
    votes: tuple[int, ...]


def class_of_votes(votes: Sequence[int], compound: bool = False) -> str | None:
    """Return the class that votes [10], in the order of COLUMNS, give a picture, None for none.

    The rules are those at the top of this file.
    """
    kept = [vote if vote > 1 else 0 for vote in votes]
    strong = [
        COLUMNS[place] for place, vote in enumerate(kept) if vote and 10 * vote >= 3 * sum(kept)
    ]
    emotions = CLASSES[1:]
    if compound and len(strong) == 2 and all(name in emotions for name in strong):
        # In one order, as not every pair has a name of its own.
        return canonical(" ".join(sorted(strong, key=EXPRESSIONS.index)))
    most = max(kept)
    name = COLUMNS[kept.index(most)]
    return name if 2 * most > sum(kept) and name in CLASSES else None


def read_votes(file: Path, split: str = "") -> Iterator[Line]:
    """Yield the lines of a list of votes. split: of all of them, else they name it first.

    With a split there is no header, and a box may stand before the votes. Raises DataError naming
    file and line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            cells = [*csv.reader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV: {error}") from error
    if not split:
        _require_header(file, cells[0] if cells else [])
    for number, row in enumerate(cells, start=1):
        stripped = [cell.strip() for cell in row]
        if any(stripped) and (split or number > 1):
            yield _line(f"{file}, line {number}", stripped, split)


def _require_header(file: Path, header: Sequence[str]) -> None:
    expected = ["Usage", "Image name", *COLUMNS]
    if [name.strip().casefold() for name in header] != [name.casefold() for name in expected]:
        raise DataError(
            f"{file}: its first line must be {','.join(expected)}; found: "
            f"{','.join(header)[:100]!r}"
        )


def _line(where: str, cells: list[str], split: str) -> Line:
    """Return a line of votes. Raises DataError where it is none."""
    usage = split or SPLITS.get(cells[0].casefold(), "")
    rest = cells if split else cells[1:]
    box = rest.pop(1) if split and len(rest) == len(COLUMNS) + 2 else ""
    votes = rest[1:]
    if usage and len(votes) == len(COLUMNS) and all(v.isdecimal() and len(v) < 4 for v in votes):
        return Line(where, usage, rest[0], box, tuple(map(int, votes)))
    raise DataError(
        f"{where}: {','.join(cells)[:80]!r} is no line of votes: expected a name and the "
        f"{len(COLUMNS)} numbers of votes for {', '.join(COLUMNS)}, as in "
        f"'{'' if split else 'Training,'}fer0000000.png,4,0,0,1,3,2,0,0,0,0'"
    )


def boxed_as(line: Line, path: str) -> str:
    """Return the name of the part of a picture that a line is about, most often all of it.

    Raises DataError for a box that is none.
    """
    if line.box in ("", BOX):
        return path
    numbers = line.box.strip("()[] ").split(",")
    if len(numbers) == 4 and all(number.strip().isdecimal() for number in numbers):
        left, top, right, bottom = map(int, numbers)
        if left < right and top < bottom:
            return boxed(path, (left, top, right, bottom))
    raise DataError(f"{line.where}: {line.box!r} is no box (left, top, right, bottom)")
