"""CutMix and Mixup: images of a batch mixed in pairs, with labels by the share of each.

Drawn before the epoch by seed and epoch alone, as the changes of single images are.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.training.augmentation import inside

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Mixing:
    """How N images of an epoch are mixed, each with another of its batch.

    partners [N]: positions in the epoch; boxes [N, 4]: what shows the partner, see `inside`;
    weights [N]: of the image itself outside of its box; shares [N]: of its label in the mixture.
    """

    partners: Numbers
    boxes: Numbers
    weights: NDArray[np.float64]
    shares: NDArray[np.float64]

    def mix(self, part: slice, images: Tensor, others: Tensor) -> Tensor:
        """Return images [B, 3, H, W] at some positions mixed with their partners `others`."""
        mixed = mix_pixels(images, others, self.boxes[part], self.weights[part])
        return mixed.contiguous(memory_format=torch.channels_last)

    def label_shares(self, labels: Numbers, n_classes: int, part: slice) -> NDArray[np.float64]:
        """Return the share [B, C] of each class in the mixtures at some positions, of sum 1.

        labels [N]: class numbers of all images.
        """
        classes, own = np.eye(n_classes), self.shares[part, None]
        return own * classes[labels[part]] + (1 - own) * classes[labels[self.partners[part]]]

    def dominant(self) -> Numbers:
        """Return the position [N] of the image that has the larger share of each mixture."""
        return np.where(self.shares >= 0.5, np.arange(len(self.shares)), self.partners)


def mix_pixels(
    images: Tensor, others: Tensor, boxes: Numbers, weights: NDArray[np.float64]
) -> Tensor:
    """Return images [B, 3, H, W] mixed with others: these alone inside of boxes [B, 4], and outside
    the images by their weights [B]."""
    outside = torch.from_numpy(weights).to(images)[:, None, None, None]
    kept = outside.masked_fill(
        inside(torch.from_numpy(boxes).to(images.device), images.shape[3]), 0
    )
    return kept * images + (1 - kept) * others


def draw_mixing(
    edges: Sequence[int], side: int, settings: AugmentConfig, seed: int, epoch: int
) -> Mixing | None:
    """Draw how an epoch's images of `side` pixels are mixed, None without CutMix and Mixup.

    edges: where batches begin, and the end of the last. Each image's lambda is its own, from
    Beta(alpha, alpha). Mixup (Zhang et al., ICLR 2018): lambda * image + (1 - lambda) * partner.
    CutMix (Yun et al., ICCV 2019): a box of the partner, of area 1 - lambda before it is cut off at
    the edges. With both, each image takes either with equal chance.
    """
    alphas = (settings.mixup, settings.cutmix)
    if not any(alphas):
        return None
    random = np.random.default_rng([seed, zlib.crc32(b"mix"), epoch])
    batches = [start + random.permutation(end - start) for start, end in pairwise(edges)]
    partners = np.concatenate(batches)
    count = len(partners)
    cuts = np.full(count, bool(settings.cutmix))
    if all(alphas):
        cuts = random.random(count) < 0.5
    alpha = np.where(cuts, settings.cutmix, settings.mixup)
    lambdas = random.beta(alpha, alpha)
    boxes = np.where(cuts[:, None], _draw_boxes(lambdas, side, random), 0)
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    shares = np.where(cuts, 1 - height * width / side**2, lambdas)
    return Mixing(partners, boxes, np.where(cuts, 1.0, lambdas), shares)


def _draw_boxes(lambdas: NDArray[np.float64], side: int, random: np.random.Generator) -> Numbers:
    """Draw boxes [N, 4] of area 1 - lambda about points anywhere, cut off at the edges."""
    half = (side * np.sqrt(1 - lambdas)).astype(np.int64) // 2
    middle = random.integers(0, side, (2, len(lambdas)))
    low, high = np.clip(middle - half, 0, side), np.clip(middle + half, 0, side)
    return np.stack([low[0], high[0], low[1], high[1]], axis=1)
