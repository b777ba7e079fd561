"""Align faces: turned, scaled and cut out so that eyes and mouth lie as in RAF-DB's aligned ones.

By a similarity transform from the two eyes and the middle of the mouth (Li & Deng, "Reliable
Crowdsourcing and Deep Locality-Preserving Learning", IEEE TIP 2019)."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data.faces.detector import Pixels

TARGET = np.array([[0.30, 0.40], [0.70, 0.40], [0.50, 0.80]])
"""x, y of left eye, right eye and mouth in an aligned face, as fractions of its side."""
_MARGIN = 2  # pixels of the result around what is cut out, for the filters
Matrix = NDArray[np.float64]


def align(picture: Pixels, points: NDArray[np.float64], size: int = 100) -> Pixels:
    """Return a face uint8 [size, size, 3] from a picture uint8 [H, W, 3] and its points [5, 2].

    Large faces are shrunk with an antialiasing filter first; beyond the picture its edge is
    repeated.
    """
    to_result = similarity(landmarks(points), TARGET * size)
    region, to_region = _region(picture, to_result, size)
    back = to_region @ np.linalg.inv(to_result)  # from the result into the region
    turned = region.transform(
        (size, size), Image.Transform.AFFINE, tuple(back[:2].ravel()), Image.Resampling.BICUBIC
    )
    return np.asarray(turned)


def landmarks(points: NDArray[np.float64]) -> Matrix:
    """Return x, y of left eye, right eye and the middle of the mouth [3, 2] from five points."""
    return np.stack([points[0], points[1], points[3:5].mean(axis=0)])


def similarity(source: Matrix, target: Matrix) -> Matrix:
    """Return the turn, scale and shift [3, 3] that brings points [N, 2] nearest to others.

    Least squares (Umeyama, IEEE PAMI 1991), which in the plane, without mirroring, is a regression
    over complex numbers.
    """
    start, end = (each[:, 0] + 1j * each[:, 1] for each in (source, target))
    spread = start - start.mean()
    size = float((abs(spread) ** 2).sum())
    factor = (np.conj(spread) * (end - end.mean())).sum() / size if size > 0 else 1.0 + 0j
    shift = end.mean() - factor * start.mean()
    return np.array(
        [
            [factor.real, -factor.imag, shift.real],
            [factor.imag, factor.real, shift.imag],
            [0.0, 0.0, 1.0],
        ]
    )


def _region(picture: Pixels, to_result: Matrix, size: int) -> tuple[Image.Image, Matrix]:
    """Return the part of a picture that the result shows, no larger than it need be, and the way
    [3, 3] from the picture's coordinates into it."""
    edges = np.array(
        [[x, y, 1.0] for x in (-_MARGIN, size + _MARGIN) for y in (-_MARGIN, size + _MARGIN)]
    )
    seen = (np.linalg.inv(to_result) @ edges.T)[:2]
    left, top = np.floor(seen.min(axis=1)).astype(int)
    right, bottom = np.ceil(seen.max(axis=1)).astype(int)
    part = Image.fromarray(_cut(picture, left, top, right, bottom))
    scale = min(1.0, float(np.hypot(*to_result[:2, 0])))
    small = (max(1, round(part.width * scale)), max(1, round(part.height * scale)))
    kept = (small[0] / part.width, small[1] / part.height)
    moved = np.diag([*kept, 1.0]) @ np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])
    if small != part.size:
        part = part.resize(small, Image.Resampling.LANCZOS)
    return part, moved


def _cut(picture: Pixels, left: int, top: int, right: int, bottom: int) -> Pixels:
    """Return a rectangle of a picture, its edge repeated where the rectangle goes beyond."""
    height, width = picture.shape[:2]
    rows = np.arange(top, bottom).clip(0, height - 1)
    columns = np.arange(left, right).clip(0, width - 1)
    cut: Pixels = picture[rows[:, None], columns[None]]
    return cut
