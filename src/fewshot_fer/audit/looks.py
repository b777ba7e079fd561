"""One look at each image file: can it be read, how large is it, is it grey, what does it hold."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fewshot_fer.data.decode import decode
from fewshot_fer.errors import DataError

SIDE = 32  # pixels a side of the thumbnails
BLOCK = 256  # images that are under way at a time
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Look:
    """What was seen of one file. error: why it cannot be used, or an empty string.

    content: SHA-256 of the bytes; thumbnail: grey uint8 [SIDE, SIDE] of the centred square, which
    is what an encoder is given.
    """

    path: str
    error: str = ""
    content: str = ""
    width: int = 0
    height: int = 0
    grey: bool = False
    thumbnail: NDArray[np.uint8] | None = None


def look_at(path: str) -> Look:
    """Look at one file, with the decoder that training uses, so that both refuse the same files."""
    try:
        pixels = decode(path, SIDE)
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        with Image.open(path) as picture:
            width, height = picture.size
    except (DataError, OSError) as error:
        return Look(path, error=str(error))
    # Equal channels stay equal when a picture is made smaller, and unequal ones unequal.
    grey = bool((pixels[0] == pixels[1]).all() and (pixels[1] == pixels[2]).all())
    thumbnail = np.tensordot(LUMA, pixels, axes=1).round().astype(np.uint8)
    return Look(path, "", content, width, height, grey, thumbnail)


def look_at_all(paths: Sequence[str]) -> dict[str, Look]:
    """Look at every distinct path, in parallel: Pillow decodes without holding up other threads."""
    distinct = sorted(set(paths))
    return {look.path: look for look in _looks(distinct)}


def _looks(paths: Sequence[str]) -> Iterator[Look]:
    bar = tqdm(total=len(paths), desc="looking at images", unit="image", disable=None, delay=1)
    with contextlib.closing(bar), ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            yield from pool.map(look_at, block)
            bar.update(len(block))
