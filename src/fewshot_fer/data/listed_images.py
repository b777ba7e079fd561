"""The images that RAF-DB's label list names, found on disk."""

import logging
import os
from pathlib import Path

from fewshot_fer.data.label_list import LabelLine
from fewshot_fer.data.listing import child, contents, image_names_in
from fewshot_fer.errors import DataError

log = logging.getLogger("fewshot_fer")

ENDINGS = (".jpg", ".jpeg", ".png")


def find_listed_images(folder: Path, lines: list[LabelLine]) -> list[str]:
    """Return the path of every line's image file, in the order of the list.

    folder: the subset's folder, with Image/aligned or, failing that, Image/original below it.
    Raises DataError with the number of images that are missing, the first and where it should be.
    """
    images, suffix = _image_folder(folder)
    on_disk = {name.casefold(): name for name in sorted(image_names_in(images))}
    found = [_find(line.name + suffix, on_disk) for line in lines]
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


def _find(name: str, on_disk: dict[str, str]) -> str | None:
    folded = name.casefold()
    for ending in ENDINGS:
        if found := on_disk.get(folded + ending):
            return found
    return None


def _image_folder(folder: Path) -> tuple[Path, str]:
    """Return the folder of the images, and what their names carry beyond those of the list."""
    images = child(folder, "Image", "Images")
    aligned = images and child(images, "aligned")
    if aligned and aligned.is_dir():
        return _innermost(aligned), "_aligned"
    original = images and child(images, "original")
    if original and original.is_dir():
        log.warning("no Image/aligned in %s: the uncropped original pictures are used", folder)
        return _innermost(original), ""
    raise DataError(
        f"no folder of images in {folder}: expected Image/aligned/train_00001_aligned.jpg; "
        f"found in {images or folder}: {contents(images or folder)}"
    )


def _innermost(folder: Path) -> Path:
    """Return aligned/aligned, as some archives unpack, unless the images lie one level above."""
    inner = child(folder, folder.name)
    return inner if inner and inner.is_dir() and image_names_in(inner) else folder
