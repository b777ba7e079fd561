"""Names of pictures that are part of a file: a box in a photograph, or a row of a list of pixels.

photo.jpg#xywh=160,120,320,240 is a rectangle in pixels: left, top, width, height (W3C, Media
Fragments URI 1.0, section 4.2.2). fer2013.csv#row=17 is a row of a CSV, its header being the first
(RFC 7111, section 2.1), whose column `pixels` has the grey levels of a square picture, row by row.
"""

import csv
import math
import os
import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_PART = re.compile(r"(.+)#(?:xywh=([0-9]+),([0-9]+),([0-9]+),([0-9]+)|row=([0-9]+))", re.S)
PIXELS = "pixels"  # the column of a CSV


def file_of(path: str) -> str:
    """Return the name of the file that a picture lies in: the path but for the part's name.

    >>> file_of("photo.jpg#xywh=160,120,320,240"), file_of("photo.jpg")
    ('photo.jpg', 'photo.jpg')
    """
    return path.rpartition("#")[0] if "#" in path and _PART.fullmatch(path) else path


def is_part(path: str) -> bool:
    """Return whether a path names a part of a file."""
    return "#" in path and _PART.fullmatch(path) is not None


def boxed(path: str, box: tuple[int, int, int, int]) -> str:
    """Return the name of the part of a photograph within left, top, right, bottom, in pixels."""
    left, top, right, bottom = box
    return f"{path}#xywh={left},{top},{right - left},{bottom - top}"


def row_of(path: str) -> int | None:
    """Return which row of a CSV, its header being row 1, a path names; None for another path."""
    found = _PART.fullmatch(path) if "#" in path else None
    return int(found[6]) if found and found[6] else None


def cut(picture: Image.Image, path: str) -> Image.Image:
    """Return the part of an upright photograph that a path names, or all of it.

    A box that leads over an edge ends there. Raises ValueError for one without a pixel inside.
    """
    found = _PART.fullmatch(path) if "#" in path else None
    if not found:
        return picture
    left, top, width, height = map(int, found.groups()[1:5])
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    if left >= right or top >= bottom:
        raise ValueError(
            f"the box {left},{top},{width},{height} has no pixel in a picture of "
            f"{picture.width}x{picture.height}"
        )
    return picture.crop((left, top, right, bottom))


def read_row(path: str) -> NDArray[np.uint8]:
    """Return the grey picture [S, S] in the row of a CSV that a path names.

    Raises ValueError for a row that is not there, or whose pixels are no square of 0..255; OSError
    where the file cannot be read.
    """
    file, row = file_of(path), row_of(path)
    assert row is not None
    state = os.stat(file)  # noqa: PTH116 - as in `fingerprint`
    column, starts = _lines(file, state.st_size, state.st_mtime_ns)
    if not 2 <= row <= len(starts) - 1:
        raise ValueError(f"row {row} is not there: it has rows 2..{len(starts) - 1}")
    with open(file, "rb") as stream:  # noqa: PTH123
        stream.seek(starts[row - 1])
        line = stream.read(starts[row] - starts[row - 1]).decode("utf-8")
    cells = next(csv.reader([line]), [])
    return square_of(cells[column] if column < len(cells) else "")


def square_of(text: str) -> NDArray[np.uint8]:
    """Return the grey picture [S, S] whose S * S levels are written one after another.

    Raises ValueError where they are no square, or not all of 0..255.
    """
    words = text.split()
    side = math.isqrt(len(words))
    if not words or side * side != len(words):
        raise ValueError(f"{len(words)} pixels are no square: expected 2304 for 48x48")
    wrong = next((w for w in words if not (w.isdecimal() and len(w) <= 3 and int(w) <= 255)), None)
    if wrong is not None:
        raise ValueError(f"the pixel {wrong!r} is no grey level 0..255")
    return np.array(words, dtype=np.uint8).reshape(side, side)


@lru_cache(maxsize=8)
def _lines(file: str, _size: int, _changed: int) -> tuple[int, list[int]]:
    """Return which column holds the pixels, and where each line of a CSV starts, its end last.

    Remembered while size and time of change stay: one picture is read at a time.
    """
    with open(file, "rb") as stream:  # noqa: PTH123
        first = stream.readline()
        starts = [0, len(first)]
        for line in stream:
            starts.append(starts[-1] + len(line))
    names = [name.strip().casefold() for name in next(csv.reader([first.decode("utf-8-sig")]), [])]
    if PIXELS not in names:
        raise ValueError(f"its first line has no column {PIXELS}, but {', '.join(names)}")
    return names.index(PIXELS), starts
