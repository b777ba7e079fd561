"""Decode one picture file: to the square of pixels that an encoder is given, or whole."""

import contextlib
import errno
import importlib
import os
import stat
import threading
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from fewshot_fer.data.picture_parts import cut, file_of, read_row, row_of
from fewshot_fer.data.pixels import as_rgb, layout_of
from fewshot_fer.system.errors import DataError

with contextlib.suppress(ImportError):
    importlib.import_module("pillow_heif.HeifImagePlugin")  # where it is installed: reads HEIF

FORMATS = (  # JPEG: MPO of cameras too
    *("JPEG", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF"),
)
"""What is read as a picture, whatever its name: EPS, for one, would be handed to Ghostscript."""
MAX_PIXELS = "FEWSHOT_FER_MAX_PIXELS"
MOST_PIXELS = 89_478_485  # Pillow's own: a picture of 256 MB
_OPENING = threading.Lock()


def decode(path: str | Path, image_size: int) -> NDArray[np.uint8]:
    """Return uint8 pixels [3, image_size, image_size] of a picture.

    EXIF orientation is honoured; the largest centred square is taken, so that a face that is not
    square keeps its proportions, and resized with Pillow's antialiased bilinear filter. Raises
    DataError naming the file if it is missing, damaged, no picture of FORMATS or too large to be
    one.
    """
    return square_pixels(read_upright(path), image_size)


def square_pixels(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """Return uint8 pixels [3, side, side] of the largest centred square of an RGB picture."""
    short = min(picture.size)
    left, top = ((length - short) // 2 for length in picture.size)
    square = picture.crop((left, top, left + short, top + short))
    if short != side:
        square = square.resize((side, side), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """Return a photograph uint8 [H, W, 3] in RGB, upright as its EXIF says.

    Raises DataError naming the file where it is missing, damaged, no picture or too large.
    """
    return np.asarray(read_upright(path))


def read_upright(path: str | Path) -> Image.Image:
    """Return a whole picture in RGB, upright as its EXIF says.

    Of several frames or pages the first is taken; colour profiles (ICC) and gamma are left aside.
    path: also of a part of a file, see `picture_parts`. Raises what `decode` raises.
    """
    name = str(path)
    try:
        if row_of(name) is not None:
            return Image.fromarray(read_row(name)).convert("RGB")
        with _open(file_of(name)) as picture:
            layout = layout_of(picture)
            return cut(as_rgb(ImageOps.exif_transpose(picture), layout), name)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} is too large, more than {most_pixels():,} pixels: where such pictures are "
            f"meant, allow more with the variable {MAX_PIXELS}"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not a picture, or damaged at its start") from error
    except Exception as error:  # Pillow has no one class for what it meets in a damaged file
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{path} cannot be decoded: {reason or type(error).__name__}") from error


def look_at_header(path: str | Path) -> tuple[int, int, bool]:
    """Return width, height and whether a readable picture has several frames or pages.

    The second picture of a camera's MPO, a preview or the other eye, is no frame.
    """
    with _open(path) as picture:
        try:
            several = picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1
        except Exception:
            several = True
        return *picture.size, several


def _open(path: str | Path) -> ImageFile:
    """Read a picture's header, refusing sizes that Pillow only warns of, and what may never end.

    The filters of warnings and the limit belong to the whole process: threads that changed them at
    once would leave them changed. Only headers are read within the lock, pixels outside.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a Path object costs as much
        raise OSError(errno.EINVAL, "it is no regular file")
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, most_pixels()
        try:
            return Image.open(path, formats=readable_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = before


@cache
def readable_formats() -> tuple[str, ...]:
    """Return those of FORMATS that the installed Pillow can open."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def most_pixels() -> int:
    """Return how many pixels a picture may have; the variable FEWSHOT_FER_MAX_PIXELS sets it."""
    given = os.environ.get(MAX_PIXELS, "")
    return int(given) if given.isdecimal() else MOST_PIXELS
