"""Look at each image file: can it be read, is it odd, what does it show when small and grey."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.data.decode import decode, look_at_header, read_picture
from fewshot_fer.data.picture_parts import is_part
from fewshot_fer.reports.audit.tables import Finding, fault, note
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.progress import tqdm

SIDE = 32  # pixels a side of the thumbnails
TINY = 32  # pixels: an image with a shorter side than this says little of a face
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
Thumbnails = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Facts about one image file.

    error: why it cannot be used, or an empty string; content: SHA-256 of the file's bytes, of a
    part of a file that of its pixels; thumbnail: grey
    uint8 [SIDE, SIDE] of the centred square, which is what an encoder gets; several: whether it has
    more frames or pages than that one.
    """

    path: str
    error: str = ""
    content: str = ""
    width: int = 0
    height: int = 0
    grey: bool = False
    several: bool = False
    thumbnail: Thumbnails | None = None


def look_at(path: str) -> Look:
    """Look at one file, with the decoder that training uses, so that both refuse the same files."""
    try:
        pixels = decode(path, SIDE)
        if is_part(path):
            whole = read_picture(path)
            content, (height, width), several = whole.tobytes(), whole.shape[:2], False
        else:
            content, (width, height, several) = Path(path).read_bytes(), look_at_header(path)
    except (DataError, OSError) as error:
        return Look(path, error=str(error))
    # Equal channels stay equal when a picture is made smaller, and unequal ones unequal.
    grey = bool((pixels[0] == pixels[1]).all() and (pixels[1] == pixels[2]).all())
    thumbnail = np.tensordot(LUMA, pixels, axes=1).round().astype(np.uint8)
    digest = hashlib.sha256(content).hexdigest()
    return Look(path, "", digest, width, height, grey, several, thumbnail)


def look_at_all(paths: Sequence[str]) -> dict[str, Look]:
    """Look at every distinct path, in parallel: Pillow decodes without holding up other threads."""
    distinct = sorted(set(paths))
    with ThreadPoolExecutor() as pool:
        made, total = pool.map(look_at, distinct), len(distinct)
        looks = tqdm(made, "looking at images", total, unit="image", disable=None, delay=1)
        return dict(zip(distinct, looks, strict=True))


def picture_findings(looks: Iterable[Look]) -> list[Finding]:
    """Return a finding on each fault that any image has; only unreadable ones are faults."""
    seen = list(looks)
    bad = [look for look in seen if look.error]
    good = [look for look in seen if not look.error]
    grey = [look for look in good if look.grey]
    tiny = [look for look in good if min(look.width, look.height) < TINY]
    oblong = [look for look in good if look.width != look.height]
    several = [look for look in good if look.several]
    first = f"the first: {bad[0].error}" if bad else ""
    kinds = (
        (fault, "unreadable images", bad, first),
        (note, "grey images", grey, "the lack of colour alone would tell them from others"),
        (note, f"images under {TINY} pixels a side", tiny, "they are enlarged"),
        (note, "images that are not square", oblong, "the centred square of each is taken"),
        (note, "images of several frames or pages", several, "the first of each is taken"),
    )
    return [
        make(title, f"{len(some)} of {len(seen)}; {why}", [(one.path,) for one in some])
        for make, title, some, why in kinds
        if some
    ]


def thumbnails_of(looks: Iterable[Look]) -> Thumbnails:
    """Return the thumbnails [N, SIDE, SIDE] of readable images, also where there is none at all."""
    found = [look.thumbnail for look in looks if look.thumbnail is not None]
    return np.stack(found) if found else np.zeros((0, SIDE, SIDE), dtype=np.uint8)
