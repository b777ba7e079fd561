"""Look at each image file: can it be read, is it odd, is it the same picture as another.

Pictures may be one and the same though saved anew: other quality, other size, other bytes. Two
tests must agree on that. A difference hash (is each cell of a 9x8 grid darker than its neighbour?)
follows the edges of a picture and not its brightness; the correlation of small grey pictures
follows their values. What all pictures share (the shape of a face, a black mask around it) is taken
away first: masked faces of different people correlate by 0.996, without their mean by 0.91.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data.decode import decode, look_at_header, read_picture
from fewshot_fer.data.picture_parts import is_part
from fewshot_fer.reports.audit.tables import Finding, fault, note
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.progress import tqdm

SIDE = 32  # pixels a side of the thumbnails
TINY = 32  # pixels: an image with a shorter side than this says little of a face
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Measured on the embedded data: copies of 64 to 200 pixels at JPEG quality 60 to 95 differ in
# 6 bits at most and correlate by 0.994 at least, less the mean by 0.969; different pictures
# correlate by 0.952 at most, less the mean by 0.918.
MOST_BITS = 10  # of 64 may differ
LEAST_CORRELATION = 0.985
LEAST_CENTRED = 0.95  # the same, less the mean of all pictures
FEWEST = 100  # pictures that their mean is taken of: that of a few would hold the copies themselves
FLATTEST = 2.0  # grey levels of deviation below which a picture shows nothing to compare
COMPARED = 512  # pictures compared with all others at a time: bounds the memory
Thumbnails = NDArray[np.uint8]
Vectors = NDArray[np.float32]


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


def find_twins(left: Thumbnails, right: Thumbnails) -> list[tuple[int, int]]:
    """Return (place in left, place in right) for each of `right` that has a twin.

    left [N, S, S], right [M, S, S]: grey thumbnails. Only the likest of `left` is given: frames of
    one clip would otherwise pair off in their thousands.
    """
    if not len(left) or not len(right):
        return []
    plain = _normalised(left), _normalised(right)
    centred, least = _centred(*plain)
    signs = _hash_signs(left), _hash_signs(right)
    found: list[tuple[int, int]] = []
    for start in range(0, len(right), COMPARED):
        rows = np.arange(start, min(start + COMPARED, len(right)))
        likeness = centred[1][rows] @ centred[0].T
        agreement = signs[1][rows] @ signs[0].T  # 64 less twice the bits that differ
        likeness[agreement < 64 - 2 * MOST_BITS] = -1
        best = likeness.argmax(axis=1)
        correlation = (plain[0][best] * plain[1][rows]).sum(axis=1)
        alike = (likeness.max(axis=1) >= least) & (correlation >= LEAST_CORRELATION)
        found += [(int(best[row]), start + int(row)) for row in np.flatnonzero(alike)]
    return found


def _centred(left: Vectors, right: Vectors) -> tuple[tuple[Vectors, Vectors], float]:
    """Return both less their common mean, and how much they must correlate at least."""
    if len(left) + len(right) < FEWEST:
        return (left, right), LEAST_CORRELATION
    mean = (left.sum(axis=0) + right.sum(axis=0)) / (len(left) + len(right))
    return (_unit(left - mean), _unit(right - mean)), LEAST_CENTRED


def _unit(values: Vectors) -> Vectors:
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-6), dtype=np.float32)


def _normalised(thumbnails: Thumbnails) -> Vectors:
    """Return [N, S*S] of mean 0 and length 1, so that a dot product is a correlation.

    Pictures without contrast become zero, and so correlate with nothing.
    """
    values = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values[values.std(axis=1) < FLATTEST] = 0
    return _unit(values)


def _hash_signs(thumbnails: Thumbnails) -> Vectors:
    """Return the 64 bits of the difference hash as +1 and -1, [N, 64].

    As signs, a matrix product counts the bits that agree, for all pairs at once.
    """
    # Floats keep the small steps that whole grey levels would turn into ties.
    pictures = (Image.fromarray(thumbnail.astype(np.float32)) for thumbnail in thumbnails)
    small = (each.resize((9, 8), Image.Resampling.BOX) for each in pictures)
    cells = np.stack([np.asarray(each) for each in small])
    darker = cells[:, :, 1:] > cells[:, :, :-1]
    return np.where(darker, 1, -1).reshape(len(cells), -1).astype(np.float32)
