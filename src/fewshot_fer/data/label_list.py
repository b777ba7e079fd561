"""RAF-DB's label list: a name and a class id a line."""

import re
from pathlib import Path
from typing import NamedTuple

from fewshot_fer.errors import DataError

NAMES = ("list_patition_label.txt", "list_partition_label.txt")  # the first is the real spelling
LINE = re.compile(
    r"(?!.*\.\.)((train|test)_[^/\\\s]+)\.(?:jpg|jpeg|png)[ \t]+([0-9]{1,9})", re.IGNORECASE
)
SHOWN = 60  # characters of a wrong line that a message repeats


class LabelLine(NamedTuple):
    """One image of the list: its name without ending, its split, its class id, its line from 1."""

    name: str
    split: str
    class_id: int
    number: int


def read_label_list(file: Path, n_classes: int) -> list[LabelLine]:
    """Read a label list with any line ends, with or without BOM and final newline.

    Raises DataError naming file, line and text for a line that is not `train_00001.jpg 5` with an
    id in 1..n_classes, and for a name that is listed twice.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    seen: dict[str, LabelLine] = {}
    for number, line in enumerate(text.split("\n"), start=1):  # read_text made every line end \n
        if not line.strip():
            continue
        label = _parse(line, number, n_classes, file)
        before = seen.setdefault(label.name.casefold(), label)
        if before is not label:
            raise DataError(
                f"{file}, line {number}: {label.name} was listed before, on line {before.number}"
            )
    if not seen:
        raise DataError(f"{file} is empty: expected lines such as 'train_00001.jpg 5'")
    return list(seen.values())


def _parse(line: str, number: int, n_classes: int, file: Path) -> LabelLine:
    found = LINE.fullmatch(line.strip(" \t"))
    if found and 1 <= int(found[3]) <= n_classes:
        return LabelLine(found[1], found[2].lower(), int(found[3]), number)
    shown = repr(line if len(line) <= SHOWN else line[:SHOWN] + "...")
    raise DataError(
        f"{file}, line {number}: {shown} is not a label line: expected a name and a class id "
        f"1..{n_classes}, as in 'train_00001.jpg 5' or 'test_0001.jpg {n_classes}'"
    )
