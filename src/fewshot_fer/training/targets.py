"""What supervised batches are compared with: classes, their weights, quarter turns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot_fer.episodes.protocol import EpisodicProtocol


@dataclass(frozen=True)
class Targets:
    """What a batch, or this rank's share of it, is compared with.

    classes: numbers [B], or shares [B, C] of mixtures; total: the sum of the classes' weights over
    the whole batch, on all ranks; turns [B]: quarter turns, None without that task; count: of the
    images of the whole batch.
    """

    classes: Tensor
    total: Tensor
    turns: Tensor | None
    count: int


def class_weights(protocol: EpisodicProtocol, kind: str) -> Tensor:
    """Return weights [C] of the training classes, of mean 1 over the images.

    kind: none (equal weights), inverse (1 / n) or root (1 / sqrt n).
    """
    sizes = torch.from_numpy(protocol.pool.sizes).double()
    power = {"none": 0.0, "root": 0.5, "inverse": 1.0}[kind]
    weights = sizes.pow(-power)
    return weights * sizes.sum() / (weights * sizes).sum()
