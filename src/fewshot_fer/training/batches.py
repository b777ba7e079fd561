"""The batches of a supervised epoch: several changes of an image, mixtures, and quarter turns."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.training.augmentation import EpochImages, epoch_images
from fewshot_fer.training.mixing import Mixing, draw_mixing
from fewshot_fer.training.quarter_turns import draw_turns, turned

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Batches:
    """N images of a supervised epoch in the order of its batches, with all that is drawn for them.

    faces: with changes of their own; labels [N]: class numbers; edges: where batches begin, and the
    end of the last; mixing: None where no images are mixed; turns [N]: None without rotation as a
    second task.
    """

    faces: EpochImages
    labels: Numbers
    edges: list[int]
    mixing: Mixing | None
    turns: Numbers | None

    def images(self, part: slice, dtype: torch.dtype) -> Tensor:
        """Return images [B, 3, H, W] of a part of a batch on their device: each changed in its own
        way, then mixed with its partner as that is changed, then turned."""
        if self.mixing is None:
            batch = self.faces.batch(part, dtype)
        else:
            positions = np.arange(part.start, part.stop)
            pairs = np.concatenate([positions, self.mixing.partners[part]])
            needed, places = np.unique(pairs, return_inverse=True)  # partners may be elsewhere
            prepared = self.faces.batch(needed, dtype)
            own, others = np.split(places, 2)
            batch = self.mixing.mix(part, prepared[own], prepared[others])
        return batch if self.turns is None else turned(batch, self.turns[part])

    def targets(self, part: slice, n_classes: int) -> Tensor:
        """Return class numbers [B] or, of mixtures, the share of each class: float64 [B, C]."""
        if self.mixing is None:
            return torch.from_numpy(self.labels[part])
        return torch.from_numpy(self.mixing.label_shares(self.labels, n_classes, part))

    def counted(self) -> tuple[Numbers, Numbers]:
        """Return the table row and class [N] that a prediction is counted for: those of the image
        with the larger share of a mixture."""
        if self.mixing is None:
            return self.faces.rows, self.labels
        places = self.mixing.dominant()
        return self.faces.rows[places], self.labels[places]

    def by_batch(self, values: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return values [N] batch by batch."""
        return np.split(values, self.edges[1:-1])


def draw_batches(
    images: FaceImages,
    shuffled: tuple[Numbers, Numbers],
    settings: TrainConfig,
    seed: int,
    epoch: int,
) -> Batches:
    """Return an epoch's batches of `batch_size` images, `crops` copies of each side by side.

    shuffled: table rows and class numbers in the order of the epoch.
    """
    crops, augment = settings.crops, settings.augment
    rows, labels = (np.repeat(each, crops) for each in shuffled)
    n_batches = math.ceil(len(shuffled[0]) / settings.batch_size)
    sizes = [len(each) * crops for each in np.array_split(shuffled[0], n_batches)]
    edges = np.cumsum([0, *sizes]).tolist()
    turns = None
    if settings.rotation_weight:
        turns = draw_turns(len(shuffled[0]), crops, seed, epoch)
    faces = epoch_images(images, rows, augment, seed, epoch)
    mixing = draw_mixing(edges, images.side, augment, seed, epoch)
    return Batches(faces, labels, edges, mixing, turns)
