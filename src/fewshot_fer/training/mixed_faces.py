"""How two faces of different expressions become one: in halves, by a box, or blended.

In a face the halves have a meaning: eyes and brows lie in the upper one, the mouth in the lower.
Boxes are CutMix's (Yun et al., ICCV 2019) and blends mixup's (Zhang et al., ICLR 2018), but of a
share that leaves both faces something to show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.train_schema import MIXED
from fewshot_fer.training.mixing import mix_pixels

BELOW_EYES, ABOVE_MOUTH = 0.52, 0.64  # of an aligned face's height; its eyes are at two fifths
LEAST = 0.3  # of a picture is from either of the two

Random = np.random.Generator


@dataclass(frozen=True)
class MixedFaces:
    """How M pictures are mixed of two faces each.

    boxes [M, 4]: what shows the second face, see `augmentation.inside`; weights [M]: of the first
    one outside of its box.
    """

    boxes: NDArray[np.int64]
    weights: NDArray[np.float64]

    def mix(self, part: slice, first: Tensor, second: Tensor) -> Tensor:
        """Return float32 pictures [B, 3, H, W] at some positions, in the range of the two faces."""
        return mix_pixels(first.float(), second.float(), self.boxes[part], self.weights[part])

    def shares(self, side: int) -> NDArray[np.float64]:
        """Return the share [M] that the second one has of each picture of `side` pixels a side."""
        top, bottom, left, right = self.boxes.T
        area = (bottom - top) * (right - left) / side**2
        shares: NDArray[np.float64] = 1 - (1 - area) * self.weights
        return shares


def draw_mixed_faces(count: int, side: int, kind: str, random: Random) -> MixedFaces:
    """Draw how `count` pictures of `side` pixels a side are mixed.

    kind: one of MIXED, or `any`: one of them for each picture, all equally likely.
    """
    every = {
        "halves": _lower_halves(count, side, random),
        "cutmix": _random_boxes(count, side, random),
        "mixup": np.zeros((count, 4)),
    }
    numbers = random.integers(len(MIXED), size=count)
    blend = random.uniform(LEAST, 1 - LEAST, size=count)
    if kind != "any":
        numbers = np.full(count, MIXED.index(kind))
    boxes = np.stack([every[name] for name in MIXED])[numbers, np.arange(count)]
    return MixedFaces(boxes.astype(np.int64), np.where(MIXED.index("mixup") == numbers, blend, 1.0))


def _lower_halves(count: int, side: int, random: Random) -> NDArray[np.float64]:
    """Return boxes [M, 4] from between eyes and mouth to the lower edge."""
    top = np.rint(random.uniform(BELOW_EYES, ABOVE_MOUTH, size=count) * side)
    return np.stack([top, *(np.full(count, edge) for edge in (side, 0, side))], axis=1)


def _random_boxes(count: int, side: int, random: Random) -> NDArray[np.float64]:
    """Return boxes [M, 4] anywhere within the picture, of LEAST to 1 - LEAST of its area."""
    area, shape = random.uniform(LEAST, 1 - LEAST, size=count), random.random(count)
    height = area**shape  # the other side is then area ** (1 - shape), and neither is above 1
    sizes = np.rint(np.stack([height, area / height]) * side)
    starts = np.floor(random.random((2, count)) * (side - sizes + 1))
    ends = starts + sizes
    return np.stack([starts[0], ends[0], starts[1], ends[1]], axis=1)
