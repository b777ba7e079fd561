"""Find faces with MTCNN and align them: turned, scaled and cut out as RAF-DB's aligned ones are.

MTCNN has the weights of facenet-pytorch's wheel; the package is not maintained any more. Aligning
is a similarity transform from the two eyes and the middle of the mouth (Li & Deng, "Reliable
Crowdsourcing and Deep Locality-Preserving Learning", IEEE TIP 2019).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data.faces.mtcnn import Cascade
from fewshot_fer.system.errors import needing_extra

Pixels = NDArray[np.uint8]
LONGEST_SIDE = 1280  # pixels; larger pictures are searched at this size
SMALLEST_FACE = 20  # pixels a side, at the size searched
AT_ONCE = 16  # pictures; the networks' pyramid of 16 frames of 1280x720 takes about 1 GB
LEAST_SCORE = 0.9  # of the last network; its own threshold, 0.7, lets patterns through
TARGET = np.array([[0.30, 0.40], [0.70, 0.40], [0.50, 0.80]])
"""x, y of left eye, right eye and mouth in an aligned face, as fractions of its side."""
SMALL_EYES = 12.0  # pixels between the eyes; a face of fewer shows little to read
SMALL = "small"  # begins the remark on such a face
_MARGIN = 2  # pixels of the result around what is cut out, for the filters
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    box: x0, y0, x1, y1 in pixels of the picture, which it may leave; score: 0..1; points [5, 2]:
    x, y of the eye on the picture's left, the eye on its right, the nose, the corner of the mouth
    on the left and on the right.
    """

    box: tuple[float, float, float, float]
    score: float
    points: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        x0, y0, x1, y1 = self.box
        return max(0.0, x1 - x0) * max(0.0, y1 - y0)

    @property
    def between_eyes(self) -> float:
        """Pixels of the picture from one eye to the other."""
        return float(np.hypot(*(self.points[1] - self.points[0])))

    @property
    def remark(self) -> str:
        """What makes the face hard to read, begun by SMALL; "" for nothing."""
        if self.between_eyes >= SMALL_EYES:
            return ""
        return f"{SMALL}: eyes {self.between_eyes:.0f} pixels apart"


class FaceDetector(Protocol):
    """Finds the faces of several pictures at once."""

    def detect(self, pictures: Sequence[Pixels]) -> list[list[Face]]:
        """Return the faces of each picture uint8 [H, W, 3], RGB, the largest first."""
        ...


def load_detector(device: torch.device | str = "cpu") -> FaceDetector:
    """Return a detector whose weights lie in an installed package.

    Raises ConfigError with the line to type where that package is missing.
    """
    with needing_extra("face", "finding faces"):
        return Mtcnn(torch.device(device))


class Mtcnn:
    """The FaceDetector with MTCNN's networks."""

    def __init__(self, device: torch.device) -> None:
        self._networks = Cascade(SMALLEST_FACE, device)

    def detect(self, pictures: Sequence[Pixels]) -> list[list[Face]]:
        """Return the faces of each picture uint8 [H, W, 3], the largest first.

        Pictures of one size are searched together.
        """
        searched = [_shrunk(picture) for picture in pictures]
        found: list[list[Face]] = [[] for _ in pictures]
        for places in _alike(searched):
            batch = np.stack([searched[place] for place in places])
            for place, faces in zip(places, self._detect_alike(batch), strict=True):
                scale = max(pictures[place].shape[:2]) / max(searched[place].shape[:2])
                found[place] = [_scaled(face, scale) for face in faces]
        return found

    def _detect_alike(self, pictures: Pixels) -> list[list[Face]]:
        """Return the faces of pictures [B, H, W, 3]."""
        if min(pictures.shape[1:3]) < SMALLEST_FACE:
            return [[] for _ in pictures]
        return [_faces(*found) for found in self._networks.search(pictures)]


def _faces(boxes: NDArray[np.float32], points: NDArray[np.float32]) -> list[Face]:
    """Return what the networks found in one picture: boxes with scores [n, 5], points [n, 5, 2]."""
    faces = [
        Face(tuple(map(float, box[:4])), float(box[4]), own.astype(np.float64))  # type: ignore[arg-type]
        for box, own in zip(boxes, points, strict=True)
        if box[4] >= LEAST_SCORE and np.isfinite(own).all()
    ]
    return sorted(faces, key=lambda face: -face.area)


def _alike(pictures: Sequence[Pixels]) -> Iterator[list[int]]:
    """Yield the places of pictures of one size, at most AT_ONCE of them together."""
    order = sorted(range(len(pictures)), key=lambda place: pictures[place].shape)
    for _, group in groupby(order, key=lambda place: pictures[place].shape):
        places = list(group)
        for start in range(0, len(places), AT_ONCE):
            yield places[start : start + AT_ONCE]


def _shrunk(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _scaled(face: Face, scale: float) -> Face:
    x0, y0, x1, y1 = (edge * scale for edge in face.box)
    return Face((x0, y0, x1, y1), face.score, face.points * scale)


def align(picture: Pixels, points: NDArray[np.float64], size: int = 100) -> Pixels:
    """Return a face uint8 [size, size, 3] from a picture uint8 [H, W, 3] and its points [5, 2].

    Large faces are shrunk with an antialiasing filter; beyond the picture its edge is repeated.
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
