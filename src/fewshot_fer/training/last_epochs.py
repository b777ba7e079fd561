"""Averaging the weights of the last epochs (SWA), with batch norms that fit the average."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.models.network import WeightAverage
from fewshot_fer.system.device import Precision
from fewshot_fer.system.progress import tqdm
from fewshot_fer.system.ranks import rank_slice
from fewshot_fer.training.augmentation import EpochImages
from fewshot_fer.training.batches import shuffled_rows


def first_averaged(settings: TrainConfig) -> float:
    """Return the first epoch whose weights are averaged with `average_last`; infinity for none."""
    if not settings.average_last:
        return math.inf
    return settings.epochs + 1 - max(1, round(settings.average_last * settings.epochs))


def average_epoch(
    average: WeightAverage, task: EpisodicTask, batch_size: int, precision: Precision
) -> None:
    """Average the weights that an epoch ended with in, and renew the batch norms of the average.

    They see the training images as they are, in one order that mixes the classes.
    """
    average.update()
    rows, _ = shuffled_rows(task.protocol, seed=0, epoch=0)
    faces = EpochImages(task.images, rows, None)
    renew_batch_norms(average.averaged().encoder, faces, batch_size, precision)


@torch.no_grad()
def renew_batch_norms(
    encoder: nn.Module, faces: EpochImages, batch_size: int, precision: Precision
) -> None:
    """Set the statistics of an encoder's batch norms to the mean of those of all batches.

    Averaged weights make other maps than those whose statistics were averaged beside them. As
    torch.optim.swa_utils.update_bn does, but that norms which learn nothing keep theirs, and
    nothing drops out. Ranks share each batch.
    """
    norms = [each for each in encoder.modules() if isinstance(each, _BatchNorm) and _learns(each)]
    if not norms:
        return
    encoder.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    parts = np.array_split(faces.rows, -(-len(faces.rows) // batch_size))
    edges = np.cumsum([0, *map(len, parts)]).tolist()
    bar = tqdm(list(pairwise(edges)), desc="batch norms", leave=False, disable=None, delay=2)
    for number, (start, end) in enumerate(bar, 1):
        for norm in norms:  # each batch counts the same; None has a GPU asked how many there were
            norm.momentum = 1 / number
        own = rank_slice(end - start)
        with precision.forward(faces.images.device):
            encoder(faces.batch(slice(start + own.start, start + own.stop), precision.dtype))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum


def _learns(norm: _BatchNorm) -> bool:
    return norm.track_running_stats and (norm.weight is None or norm.weight.requires_grad)
