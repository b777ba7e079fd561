"""Statistics of the embeddings of training images: what a method may know beside its support."""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.models.methods.pair_map import PairMap
from fewshot_fer.models.preprocessing import KINDS, Normalisation
from fewshot_fer.system.errors import RunError

MEAN_IMAGES = 2_000  # drawn as they are distributed: the mean of more moves by under a hundredth
CLASS_IMAGES = 200  # of each class for its prototypes, all of a smaller one
DAMAGE = (LookupError, ArithmeticError, TypeError, ValueError, AttributeError, RuntimeError)


@dataclass(frozen=True)
class TrainingStatistics:
    """Statistics of the embeddings of training images.

    mean [D]: of embeddings before they are normalised; prototypes: [C, D] for each way to
    normalise, the mean of a class's normalised embeddings; spreads: for each, their mean squared
    distance to it, over the classes; pair_maps: for each, where composition is learnt, else None.
    """

    class_names: tuple[str, ...]
    mean: Tensor
    prototypes: dict[str, Tensor]
    spreads: dict[str, float]
    pair_maps: dict[str, PairMap] | None = None

    def normalisation(self, kind: str) -> Normalisation:
        """Return a normalisation around this mean."""
        return Normalisation(kind, self.mean if kind == "cl2n" else None)

    def content(self) -> dict[str, Any]:
        """Return plain values, which a checkpoint can hold."""
        content = {**vars(self), "class_names": list(self.class_names)}
        if (maps := content.pop("pair_maps")) is not None:
            content["pair_maps"] = {kind: vars(each) for kind, each in maps.items()}
        return content


def gather_statistics(embedder: Embedder, training: EpisodicTask, seed: int) -> TrainingStatistics:
    """Return the statistics of a sample of the training images, the same one for a seed.

    Images are embedded without augmentation.
    """
    pool = training.protocol.pool
    random = np.random.default_rng([seed, zlib.crc32(b"training side")])
    drawn = random.permutation(pool.rows)[:MEAN_IMAGES]
    members = [np.sort(random.permutation(own)[:CLASS_IMAGES]) for own in pool.members]
    rows = np.unique(np.concatenate([drawn, *members]))
    embedded = embedder.encode(training.images, rows).float().cpu()
    mean = embedded[torch.from_numpy(np.searchsorted(rows, drawn))].double().mean(dim=0).float()
    places = [torch.from_numpy(np.searchsorted(rows, own)) for own in members]
    prototypes, spreads = {}, {}
    for kind in KINDS:
        ready = Normalisation(kind, mean)(embedded).double()
        classes = [ready[own] for own in places]
        prototypes[kind] = torch.stack([own.mean(dim=0) for own in classes]).float()
        variances = [float(own.var(dim=0).sum()) if len(own) > 1 else 0.0 for own in classes]
        spreads[kind] = float(np.mean(variances))
    return TrainingStatistics(pool.class_names, mean, prototypes, spreads)


def statistics_from(content: dict[str, Any], where: str) -> TrainingStatistics:
    """Return the statistics in `content`, checked. Raises RunError naming `where` it lay."""
    try:
        if not isinstance(content["class_names"], list):  # a tensor can be made endless
            raise TypeError("class_names")
        names = tuple(str(name) for name in content["class_names"])
        mean, prototypes = content["mean"], {k: content["prototypes"][k] for k in KINDS}
        spreads = {k: float(content["spreads"][k]) for k in KINDS}
        shapes = {tuple(each.shape) for each in prototypes.values()}
        fits = shapes == {(len(names), *mean.shape)} and mean.ndim == 1 and len(names) > 0
        fits = fits and all(map(_are_numbers, (mean, *prototypes.values())))
        fits = fits and all(0 <= spread < math.inf for spread in spreads.values())
        maps = content.get("pair_maps")
        pair_maps = None if maps is None else {k: PairMap(**maps[k]) for k in KINDS}
        size = (len(mean), math.comb(len(names), 2))
        fits = fits and all(each.fits(*size) for each in (pair_maps or {}).values())
        if not fits:
            raise ValueError("shapes, types or ranges")
    except DAMAGE as error:
        raise RunError(f"{where}: what it says of the training images is damaged") from error
    return TrainingStatistics(names, mean, prototypes, spreads, pair_maps)


def _are_numbers(values: Tensor) -> bool:
    return values.dtype == torch.float32 and bool(torch.isfinite(values).all())
