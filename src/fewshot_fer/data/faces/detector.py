"""Find faces with MTCNN (Zhang et al., IEEE Signal Processing Letters 2016) of facenet-pytorch.

The package is not maintained any more, but its wheel holds the weights and it runs with current
torch. Nothing else in fewshot_fer knows of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.system.errors import ConfigError

Pixels = NDArray[np.uint8]
LONGEST_SIDE = 1280  # pixels; larger pictures are searched at this size
SMALLEST_FACE = 20  # pixels a side, at the size searched
AT_ONCE = 16  # pictures; the networks' pyramid of 16 frames of 1280x720 takes about 1 GB
LEAST_SCORE = 0.9  # of the last network; its own threshold, 0.7, lets patterns through


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


class FaceDetector(Protocol):
    """Finds the faces of several pictures at once."""

    def detect(self, pictures: Sequence[Pixels]) -> list[list[Face]]:
        """Return the faces of each picture uint8 [H, W, 3], RGB, the largest first."""
        ...


def load_detector(device: torch.device | str = "cpu") -> FaceDetector:
    """Return a detector whose weights lie in an installed package.

    Raises ConfigError with the line to type where that package is missing.
    """
    try:
        return Mtcnn(torch.device(device))
    except ImportError as error:
        raise ConfigError(
            f"finding faces takes the extra 'face' ({error}): pip install 'fewshot_fer[face]'"
        ) from error


class Mtcnn:
    """The FaceDetector with facenet-pytorch's networks."""

    def __init__(self, device: torch.device) -> None:
        from facenet_pytorch import MTCNN  # an extra

        self._networks = MTCNN(
            keep_all=True, min_face_size=SMALLEST_FACE, post_process=False, device=device
        ).eval()

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

    @torch.inference_mode()
    def _detect_alike(self, pictures: Pixels) -> list[list[Face]]:
        """Return the faces of pictures [B, H, W, 3]."""
        if min(pictures.shape[1:3]) < SMALLEST_FACE:
            return [[] for _ in pictures]
        found = zip(*self._networks.detect(pictures, landmarks=True), strict=True)
        return [_faces(*each) for each in found]


def _faces(boxes: object, scores: object, points: object) -> list[Face]:
    """Return what the networks found in one picture; they give None where there is nothing."""
    if boxes is None:
        return []
    listed = [np.asarray(each, dtype=np.float64) for each in (boxes, scores, points)]
    faces = [
        Face(tuple(map(float, box)), float(score), own)  # type: ignore[arg-type]
        for box, score, own in zip(*listed, strict=True)
        if score >= LEAST_SCORE and np.isfinite(own).all()
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
