"""Read RAF-DB's label list, a name and a class id a line, and find its images on disk."""

import logging
import os
import re
from pathlib import Path
from typing import NamedTuple

from fewshot_fer.data.labels import plain_name
from fewshot_fer.data.listing import child, contents, image_endings, image_names_in
from fewshot_fer.system.errors import DataError

NAMES = ("list_patition_label.txt", "list_partition_label.txt")  # the first is the real spelling
LINE = re.compile(  # a name has no folder in it, and no ..
    r"(?!.*\.\.)((train|test)_[^/\\\s]+)\.(?:jpg|jpeg|png)[ \t]+([0-9]{1,9})", re.IGNORECASE
)
ENDINGS = (".jpg", ".jpeg", ".png")  # looked for first
SHOWN = 60  # characters of a wrong line that a message repeats
log = logging.getLogger("fewshot_fer")


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
        before = seen.setdefault(_folded(label.name), label)
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


def find_listed_images(folder: Path, lines: list[LabelLine]) -> list[str]:
    """Return the path of every line's image file, in the order of the list.

    folder: the subset's folder, with Image/aligned or, failing that, Image/original below it, or
    aligned right in it.
    Raises DataError with the number of images that are missing, the first and where it should be.
    """
    images, suffix = _image_folder(folder)
    on_disk = {_folded(name): name for name in sorted(image_names_in(images))}
    endings = (*ENDINGS, *image_endings())
    folded = [_folded(line.name + suffix) for line in lines]
    found = [next((on_disk[n + e] for e in endings if n + e in on_disk), None) for n in folded]
    within = os.path.join(images, "")  # noqa: PTH118 - a Path object a file costs more than all else
    present = [within + name for name in found if name is not None]
    if len(present) < len(lines):
        first = lines[found.index(None)]
        raise DataError(
            f"{len(lines) - len(present)} of the {len(lines)} images in the label list are missing "
            f"from {images}: the first is {first.name}{suffix}.jpg, on line {first.number}; "
            f"found there: {contents(images)}"
        )
    return present


def _folded(name: str) -> str:
    return plain_name(name).casefold()


def _image_folder(folder: Path) -> tuple[Path, str]:
    """Return the folder of the images, and what ends their names beyond the list's."""
    images = child(folder, "Image", "Images") or folder  # right in it: RAF-CE
    aligned = child(images, "aligned")
    if aligned and aligned.is_dir():
        return _innermost(aligned), "_aligned"
    original = child(images, "original")
    if original and original.is_dir():
        log.warning("no Image/aligned in %s: the uncropped original pictures are used", folder)
        return _innermost(original), ""
    raise DataError(
        f"no folder of images in {folder}: expected Image/aligned/train_00001_aligned.jpg; "
        f"found in {images}: {contents(images)}"
    )


def _innermost(folder: Path) -> Path:
    """Return aligned/aligned, as some archives unpack, unless the images lie one level above."""
    inner = child(folder, folder.name)
    return inner if inner and inner.is_dir() and image_names_in(inner) else folder
