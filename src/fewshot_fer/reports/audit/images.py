"""One look at each image file: can it be read, how large is it, is it grey, what does it hold.

Findings about single images: unreadable, grey, tiny or not square.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fewshot_fer.data.decode import decode
from fewshot_fer.reports.audit.findings import Finding, invalidates_if
from fewshot_fer.system.errors import DataError

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


TINY = 32  # pixels: an image with a shorter side than this says little of a face


def picture_findings(looks: Iterable[Look]) -> list[Finding]:
    """Return a finding for each fault that any image has; only unreadable ones spoil a result."""
    seen = list(looks)
    bad = [look for look in seen if look.error]
    good = [look for look in seen if not look.error]
    grey = [look for look in good if look.grey]
    tiny = [look for look in good if min(look.width, look.height) < TINY]
    oblong = [look for look in good if look.width != look.height]
    first = f"the first: {bad[0].error}" if bad else ""
    faults = (
        (True, "unreadable images", bad, first),
        (False, "grey images", grey, "the lack of colour alone would tell them from others"),
        (False, f"images under {TINY} pixels a side", tiny, "they are enlarged"),
        (False, "images that are not square", oblong, "the centred square of each is taken"),
    )
    return [
        invalidates_if(
            spoils, title, f"{len(some)} of {len(seen)}; {why}", [(a.path,) for a in some]
        )
        for spoils, title, some, why in faults
        if some
    ]
