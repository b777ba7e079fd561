"""Find the pictures of one table that stand in another too, saved anew.

Pictures may be one and the same though saved anew: other quality, other size, other bytes. Two
tests must agree on that. A difference hash (is each cell of a 9x8 grid darker than its neighbour?)
follows the edges of a picture and not its brightness; the correlation of small grey pictures
follows their values. What all pictures share (the shape of a face, a black mask around it) is taken
away first: masked faces of different people correlate by 0.996, without their mean by 0.91.

No pair is missed, though few are compared in full. Pictures that correlate are near each other as
vectors, and stay so in a projection: here on the first principal components, with the length of
what these leave out as one more coordinate. There one table is halved again and again, and each
part goes on with those pictures of the other table that are near the box around it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.system.progress import tqdm

# Measured on the embedded data: copies of 64 to 200 pixels at JPEG quality 60 to 95 differ in
# 6 bits at most and correlate by 0.994 at least, less the mean by 0.969; different pictures
# correlate by 0.952 at most, less the mean by 0.918.
MOST_BITS = 10  # of 64 may differ
LEAST_CORRELATION = 0.985
LEAST_CENTRED = 0.95  # the same, less the mean of all pictures
FEWEST = 100  # pictures that their mean is taken of: that of a few would hold the copies themselves
FLATTEST = 2.0  # grey levels of deviation below which a picture shows nothing to compare
COMPONENTS = 24  # principal ones that pictures are projected on
SAMPLED = 512  # pictures that these are found on
PAIRS = 2**20  # that are compared at a time: bounds the memory
BLOCK = 4096  # pictures made vectors at a time: so does this
FEW = 64  # pictures that are not halved any more
FURTHEST = 1.01  # squared distance of twins in the projection, with room for rounding
Thumbnails = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Space:
    """Vectors of pictures, and their projection.

    mean [S*S]: what all share; least: how much twins correlate without it; basis [S*S, K]:
    orthonormal; centred: whether distances are those of the vectors without the mean, of length 1;
    radius: how far twins are from each other at most.
    """

    mean: Vectors
    least: float
    basis: Vectors
    centred: bool
    radius: float

    def points(self, thumbnails: Thumbnails) -> Vectors:
        """Return [N, K + 1]: twins are no further than 1 from each other."""
        points = np.empty((len(thumbnails), self.basis.shape[1] + 1), dtype=np.float32)
        for start, vectors in _in_blocks(thumbnails):
            vectors = _unit(vectors - self.mean) if self.centred else vectors - self.mean
            block = points[start : start + BLOCK]
            block[:, :-1] = vectors @ self.basis
            left_out = (vectors**2).sum(axis=1) - (block[:, :-1] ** 2).sum(axis=1)
            block[:, -1] = np.sqrt(left_out.clip(0))
        points /= self.radius
        return points


def find_twins(left: Thumbnails, right: Thumbnails, pairs: int = PAIRS) -> list[tuple[int, int]]:
    """Return (place in left, place in right) for each of `right` that has a twin.

    left [N, S, S], right [M, S, S]: grey thumbnails; pairs: how many are compared at a time. Only
    the likest twin is given: frames of one clip would otherwise pair off in their thousands.
    """
    (rows, total), (others, of_right) = _shown(left), _shown(right)
    if not len(rows) or not len(others):
        return []
    space = _space(left, right, total + of_right)
    points = space.points(left), space.points(right)
    best, likeness = np.full(len(right), len(left)), np.full(len(right), -1, dtype=np.float32)
    with tqdm(total=len(rows), desc="comparing images", unit="image", disable=None, delay=2) as bar:
        for some, near in _meetings(*points, rows, others, pairs):
            for part in np.array_split(near, -(-len(some) * len(near) // pairs) or 1):
                close = _close(points[0][some], points[1][part])
                lefts, rights = some[close.any(axis=1)], part[close.any(axis=0)]
                if not len(rights):
                    continue
                lefts = np.sort(lefts)  # of several that are equally like, the first is given
                found, alike = _likest(space, left[lefts], right[rights])
                found = lefts[found]
                better = alike > likeness[rights]
                better |= (alike == likeness[rights]) & (found < best[rights])
                best[rights[better]], likeness[rights[better]] = found[better], alike[better]
            bar.update(len(some))
    return [(int(best[row]), int(row)) for row in np.flatnonzero(likeness >= space.least)]


def _meetings(
    left: Vectors, right: Vectors, rows: Rows, others: Rows, pairs: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield all rows of `left`, some at a time, with the rows of `right` that may be near them."""
    own, low, high = left[rows], left[rows].min(axis=0), left[rows].max(axis=0)
    gaps = np.maximum(low - right[others], right[others] - high).clip(0)
    others = others[np.einsum("ij,ij->i", gaps, gaps) <= FURTHEST]
    if len(rows) <= FEW or len(rows) * len(others) <= pairs:
        yield rows, others
        return
    half = len(rows) // 2
    order = np.argpartition(own[:, (high - low).argmax()], half)
    for part in (order[:half], order[half:]):
        yield from _meetings(left, right, rows[part], others, pairs)


def _close(points: Vectors, others: Vectors) -> NDArray[np.bool_]:
    """Return [N, M]: whether points are near enough to each other to be twins."""
    lengths = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return np.asarray(points @ (2 * others.T) >= lengths - FURTHEST)


def _likest(space: Space, left: Thumbnails, right: Thumbnails) -> tuple[Rows, Vectors]:
    """Return for each of `right` the likest of `left` that is its twin, and how they correlate.

    That is without the mean of all, and -1 where there is no twin.
    """
    plain = _normalised(left), _normalised(right)
    likeness = _unit(plain[1] - space.mean) @ _unit(plain[0] - space.mean).T
    likeness[likeness < space.least] = -1
    rows, columns = (np.flatnonzero((likeness > -1).any(axis=axis)) for axis in (1, 0))
    if len(rows):
        agreement = _hash_signs(right[rows]) @ _hash_signs(left[columns]).T
        unlike = agreement < 64 - 2 * MOST_BITS  # 64 less twice the bits that differ
        unlike |= plain[1][rows] @ plain[0][columns].T < LEAST_CORRELATION
        likeness[np.ix_(rows, columns)] = np.where(unlike, -1, likeness[np.ix_(rows, columns)])
    return likeness.argmax(axis=1), likeness.max(axis=1)


def _space(left: Thumbnails, right: Thumbnails, total: NDArray[np.float64]) -> Space:
    """Return the space in which twins are nearest to each other, measured by the pictures in it.

    total [S*S]: the sum of all pictures as vectors.
    """
    number = len(left) + len(right)
    mean, least = np.zeros(len(total), dtype=np.float32), LEAST_CORRELATION
    if number >= FEWEST:
        mean, least = np.asarray(total / number, dtype=np.float32), LEAST_CENTRED
    chosen = np.linspace(0, number - 1, min(SAMPLED, number)).astype(np.int64)
    picked = (left[chosen[chosen < len(left)]], right[chosen[chosen >= len(left)] - len(left)])
    vectors = _normalised(np.concatenate(picked)) - mean
    radii = [np.sqrt(2 - 2 * limit) for limit in (LEAST_CORRELATION, least)]  # of unit vectors
    centred = bool((vectors**2).sum(axis=1).mean() * radii[1] ** 2 < radii[0] ** 2)
    vectors = _unit(vectors) if centred else vectors
    basis = np.linalg.svd(vectors, full_matrices=False)[2][:COMPONENTS].T
    return Space(mean, least, np.ascontiguousarray(basis), centred, float(radii[centred]))


def _shown(thumbnails: Thumbnails) -> tuple[Rows, NDArray[np.float64]]:
    """Return the places of those that show anything, and the sum [S*S] of all as vectors.

    A black frame is like no other.
    """
    shown, total = [np.zeros(0, dtype=np.int64)], np.zeros(math.prod(thumbnails.shape[1:]))
    for start, vectors in _in_blocks(thumbnails):
        shown.append(start + np.flatnonzero(vectors.any(axis=1)))
        total += vectors.sum(axis=0, dtype=np.float64)
    return np.concatenate(shown), total


def _in_blocks(thumbnails: Thumbnails) -> Iterator[tuple[int, Vectors]]:
    """Yield the vectors of BLOCK pictures at a time, and which is their first."""
    starts = range(0, len(thumbnails), BLOCK)
    for start in tqdm(starts, "preparing to compare", unit="block", disable=None, delay=2):
        yield start, _normalised(thumbnails[start : start + BLOCK])


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
