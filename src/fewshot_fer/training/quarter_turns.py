"""Rotation as a second task: by which quarter turn an image was rotated (S2M2, WACV 2020)."""

import zlib

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from fewshot_fer.models.backbones.registry import count_features

N_TURNS = 4  # classes of the task: 0, 90, 180 and 270 degrees
Numbers = NDArray[np.int64]


def rotation_head(encoder: nn.Module, image_size: int) -> nn.Module:
    """Return a layer from embeddings [B, D] to logits [B, 4] over quarter turns.

    It is trained and kept for a run to go on, and is no part of the network of a finished run.
    """
    features = count_features(encoder, image_size)
    return nn.Linear(features, N_TURNS).to(next(encoder.parameters()))


def draw_turns(count: int, crops: int, seed: int, epoch: int) -> Numbers:
    """Draw the quarter turns [count * crops] of an epoch's images, copies next to one another.

    The first copy of an image is turned at random and each further one by a quarter more, so that
    four copies show all turns.
    """
    random = np.random.default_rng([seed, zlib.crc32(b"turn"), epoch])
    first = random.integers(0, N_TURNS, count)
    turns: Numbers = (first[:, None] + np.arange(crops)).ravel() % N_TURNS
    return turns


def turned(images: Tensor, turns: Numbers) -> Tensor:
    """Return square images [B, 3, H, H], each rotated anticlockwise by its quarter turns."""
    result = images.clone()
    for turn in range(1, N_TURNS):
        places = np.flatnonzero(turns == turn)
        result[places] = images[places].rot90(turn, (2, 3))
    return result
