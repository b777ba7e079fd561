"""Learn how classes are composed: a map of two prototypes, on mixed pictures of training."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.evaluation.training_statistics import TrainingStatistics
from fewshot_fer.models.methods.pair_map import fit_pair_map
from fewshot_fer.models.preprocessing import KINDS, Normalisation
from fewshot_fer.system.ranks import all_gather, rank_slice
from fewshot_fer.training.compounds import (
    class_pairs,
    compound_random,
    draw_members,
    paired_classes,
)
from fewshot_fer.training.mixed_faces import draw_mixed_faces

PICTURES = 100  # of each pair of classes
AT_ONCE = 256  # pictures that are mixed in memory at a time


def with_pair_maps(
    statistics: TrainingStatistics, embedder: Embedder, training: EpisodicTask, settings: TrainVerb
) -> TrainingStatistics:
    """Return statistics with a map of two prototypes to one for each way to normalise.

    The map is learnt on mixed pictures of all pairs of single expressions of training, the same
    ones for a seed, mixed as `train.compounds.kind` says; weights stay as they are.
    """
    pairs = class_pairs(paired_classes(statistics.class_names))
    embedded = _embed_mixed(embedder, training, settings, np.repeat(pairs, PICTURES, axis=0))
    maps = {}
    for kind in KINDS:
        ready = statistics.normalisation(kind)(embedded).double()
        composed = ready.view(len(pairs), PICTURES, -1).mean(dim=1)
        prototypes = statistics.prototypes[kind].cpu()
        first, second = (prototypes[pairs[:, which]] for which in (0, 1))
        maps[kind] = fit_pair_map(first, second, composed)
    return replace(statistics, pair_maps=maps)


def _embed_mixed(
    embedder: Embedder, training: EpisodicTask, settings: TrainVerb, classes: np.ndarray
) -> Tensor:
    """Return embeddings [N, D] of mixed pictures of classes [N, 2], not normalised."""
    images, seed, kind = training.images, settings.seed, settings.train.compounds.kind
    rows = draw_members(training.protocol.pool, classes, compound_random(seed, 0, "map"))
    mixes = draw_mixed_faces(len(rows), images.side, kind, compound_random(seed, 0, "map mix"))
    encoder, embedded = embedder.normalised(Normalisation()), list[Tensor]()
    own = rank_slice(len(rows))
    for start in range(own.start, own.stop, AT_ONCE):
        part = slice(start, min(start + AT_ONCE, own.stop))
        first, second = (images.gather(rows[part, which]) for which in (0, 1))
        mixed = mixes.mix(part, first, second).round().byte()
        embedded.append(encoder.embed_pixels(mixed.cpu().numpy()))
    return all_gather(torch.cat(embedded)).float().cpu()
