"""The batches of a supervised epoch: several changes of an image, mixtures, and quarter turns."""

import math
import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.system.ranks import rank_slice, world
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

    def block(self, numbers: slice) -> tuple[EpochImages, Tensor]:
        """Return the images and the class numbers [S, B] of S batches of one size in a row."""
        part = slice(self.edges[numbers.start], self.edges[numbers.stop])
        changes = self.faces.changes
        own = None if changes is None else changes.of(part)
        faces = EpochImages(self.faces.images, self.faces.rows[part], own)
        return faces, torch.from_numpy(self.labels[part]).view(numbers.stop - numbers.start, -1)

    def in_order(self, by_rank: Numbers) -> Numbers:
        """Return values [N] of the images in their order, from those of rank 0's share of every
        batch, then of rank 1's, and so on."""
        shares = [
            np.arange(start, end)[rank_slice(end - start, number)]
            for number in range(world())
            for start, end in pairwise(self.edges)
        ]
        ordered = np.empty_like(by_rank)
        ordered[np.concatenate(shares)] = by_rank
        return ordered

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


def shuffled_rows(
    protocol: EpisodicProtocol, seed: int, epoch: int, least: int = 0
) -> tuple[Numbers, Numbers]:
    """Return all rows of the pool and their class numbers in the order of an epoch, as many times
    over as it takes to have `least`."""
    pool = protocol.pool
    labels = np.repeat(np.arange(len(pool.sizes)), pool.sizes)
    random = np.random.default_rng([seed, zlib.crc32(b"shuffle"), epoch])
    passes = max(1, math.ceil(least / len(pool.rows)))
    order = np.concatenate([random.permutation(len(pool.rows)) for _ in range(passes)])
    return pool.rows[order], labels[order]
