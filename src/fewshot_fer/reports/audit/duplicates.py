"""Images that are one and the same, though saved anew: other quality, other size, other bytes.

Two tests must agree. A difference hash (is each cell of a 9x8 grid darker than its neighbour?)
follows the edges of a picture and not its brightness; the correlation of small grey pictures
follows their values. What all pictures share (the shape of a face, a black mask around it) is taken
away first: masked faces of different people correlate by 0.996, without their mean by 0.91.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Measured on the embedded data: copies of 64 to 200 pixels at JPEG quality 60 to 95 differ in
# 6 bits at most and correlate by 0.994 at least, less the mean by 0.969; different pictures
# correlate by 0.952 at most, less the mean by 0.918.
MOST_BITS = 10  # of 64 may differ
LEAST_CORRELATION = 0.985
LEAST_CENTRED = 0.95  # the same, less the mean of all pictures
FEWEST = 100  # pictures that their mean is taken of: that of a few would hold the copies themselves
FLATTEST = 2.0  # grey levels of deviation below which a picture shows nothing to compare
BLOCK = 512  # pictures compared with all others at a time: bounds the memory
Thumbnails = NDArray[np.uint8]
Vectors = NDArray[np.float32]


def find_twins(left: Thumbnails, right: Thumbnails) -> list[tuple[int, int]]:
    """Return (place in left, place in right) for each of `right` that has a twin.

    left [N, S, S], right [M, S, S]: grey thumbnails. Only the likest of `left` is given: frames of
    one clip would otherwise pair off in their thousands.
    """
    if not len(left) or not len(right):
        return []
    plain = normalised(left), normalised(right)
    centred, least = _centred(*plain)
    signs = hash_signs(left), hash_signs(right)
    found: list[tuple[int, int]] = []
    for start in range(0, len(right), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(right)))
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


def normalised(thumbnails: Thumbnails) -> Vectors:
    """Return [N, S*S] of mean 0 and length 1, so that a dot product is a correlation.

    Pictures without contrast become zero, and so correlate with nothing.
    """
    values = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values[values.std(axis=1) < FLATTEST] = 0
    return _unit(values)


def hash_signs(thumbnails: Thumbnails) -> Vectors:
    """Return the 64 bits of the difference hash as +1 and -1, [N, 64].

    As signs, a matrix product counts the bits that agree, for all pairs at once.
    """
    cells = np.stack([_cells(thumbnail) for thumbnail in thumbnails])
    darker = cells[:, :, 1:] > cells[:, :, :-1]
    return np.where(darker, 1, -1).reshape(len(cells), -1).astype(np.float32)


def _cells(thumbnail: Thumbnails) -> Vectors:
    # Floats keep the small steps that whole grey levels would turn into ties.
    picture = Image.fromarray(thumbnail.astype(np.float32))
    return np.asarray(picture.resize((9, 8), Image.Resampling.BOX))


def stack(thumbnails: Sequence[Thumbnails | None], side: int) -> Thumbnails:
    """Return thumbnails [N, side, side], also where there is none at all."""
    kept = [thumbnail for thumbnail in thumbnails if thumbnail is not None]
    return np.stack(kept) if kept else np.zeros((0, side, side), dtype=np.uint8)
