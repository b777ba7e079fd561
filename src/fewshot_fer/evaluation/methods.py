"""The method that a run's settings name, and the statistics of training images that it needs."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot_fer.config.schema import FOUND_IN, VALIDATION, MethodConfig
from fewshot_fer.data.labels import canonical
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES, Method, refined, untrained_method
from fewshot_fer.models.methods.registry import LogitsFunction, find_method
from fewshot_fer.models.preprocessing import KINDS, Normalisation
from fewshot_fer.system.errors import RunError

MEAN_IMAGES = 2_000  # drawn as they are distributed: the mean of more moves by under a hundredth
CLASS_IMAGES = 200  # of each class for its prototypes, all of a smaller one
DAMAGE = (LookupError, ArithmeticError, TypeError, ValueError, AttributeError, RuntimeError)
PRIOR_WEIGHT = 8.0  # where validation cannot choose one
PRIOR_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
OTHER_EPISODES = 1_000_000  # as an epoch that no run reaches: episodes that no epoch has


@dataclass(frozen=True)
class TrainingStatistics:
    """Statistics of the embeddings of training images.

    mean [D]: of embeddings before they are normalised; prototypes: [C, D] for each way to
    normalise, the mean of a class's normalised embeddings; spreads: for each, their mean squared
    distance to it, over the classes.
    """

    class_names: tuple[str, ...]
    mean: Tensor
    prototypes: dict[str, Tensor]
    spreads: dict[str, float]

    def normalisation(self, kind: str) -> Normalisation:
        """Return a normalisation around this mean."""
        return Normalisation(kind, self.mean if kind == "cl2n" else None)

    def content(self) -> dict[str, Any]:
        """Return plain values, which a checkpoint can hold."""
        return {**vars(self), "class_names": list(self.class_names)}


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
        spreads[kind] = float(np.mean([_spread(own) for own in classes]))
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
        if not fits:
            raise ValueError("shapes, types or ranges")
    except DAMAGE as error:
        raise RunError(f"{where}: what it says of the training images is damaged") from error
    return TrainingStatistics(names, mean, prototypes, spreads)


def _spread(embedded: Tensor) -> float:
    """Return the variance of embeddings [N, D] summed over D, 0 of a single one."""
    return float(embedded.var(dim=0).sum()) if len(embedded) > 1 else 0.0


def _are_numbers(values: Tensor) -> bool:
    return values.dtype == torch.float32 and bool(torch.isfinite(values).all())


def choose_method(
    settings: MethodConfig,
    logits: LogitsFunction,
    statistics: TrainingStatistics | None,
    prior_weight: float | None = None,
) -> Method:
    """Return the method to evaluate.

    logits: what was trained; statistics: None where the method needs none; prior_weight: what
    validation chose, where the settings give none.
    """
    known = find_method(settings.name)
    if known.supervised:
        return PROTOTYPES  # on its features; a classifier's head is beside it
    if known.needs_episodes:
        return Method(settings.name, logits)
    if known.needs_no_training:
        return untrained_method(settings.name)
    assert statistics is not None
    method = composed(statistics, settings.normalise, settings)
    if settings.prior_weight == VALIDATION:
        return reweighted(method, PRIOR_WEIGHT if prior_weight is None else prior_weight)
    return method


def composed(statistics: TrainingStatistics, normalise: str, settings: MethodConfig) -> Method:
    """Return composed prototypes over embeddings that are normalised in this way."""
    known = priors(statistics, normalise, settings)
    method = Method("composed", PROTOTYPES.logits, priors=known)
    if settings.prior_weight not in FOUND_IN:
        method = reweighted(method, float(settings.prior_weight))
    if settings.refine == "none":
        return method
    return refined(method, settings.refine)


def priors(statistics: TrainingStatistics, normalise: str, settings: MethodConfig) -> Priors:
    """Return priors of classes by their names, whose weight is found in each support."""
    return Priors(
        class_names=statistics.class_names,
        prototypes=statistics.prototypes[normalise],
        spread=statistics.spreads[normalise],
        weight=None,
        parts=_named_parts(settings),
        composition=settings.composition,
    )


def _named_parts(settings: MethodConfig) -> dict[str, tuple[str, ...]]:
    return {
        canonical(name): tuple(canonical(part) for part in parts)
        for name, parts in settings.parts.items()
    }


def require_named_parts(settings: MethodConfig, class_names: Sequence[str]) -> None:
    """Raise ConfigError if `method.parts` names a part that is no training class."""
    _parts_alone(settings, class_names).require_named_parts()


def require_parts(
    settings: MethodConfig,
    class_names: Sequence[str],
    protocols: Sequence[EpisodicProtocol | FixedProtocol],
) -> None:
    """Raise ConfigError if a class that is tested without a support has no parts among the training
    classes: nothing would be known of it."""
    if settings.name != "composed":
        return
    for protocol in protocols:
        if isinstance(protocol, EpisodicProtocol) and protocol.shape.k_shot == 0:
            what = f"{protocol.role} {protocol.title}"
            _parts_alone(settings, class_names).require(protocol.pool.class_names, what)


def _parts_alone(settings: MethodConfig, class_names: Sequence[str]) -> Priors:
    """Return priors without prototypes: what the parts of classes are, before any embedding."""
    nowhere = torch.zeros(len(class_names), 0)
    return Priors(tuple(class_names), nowhere, 0.0, None, _named_parts(settings))


def reweighted(method: Method, weight: float) -> Method:
    """Return composed prototypes whose priors have a fixed weight."""
    assert method.priors is not None
    return replace(method, priors=replace(method.priors, weight=weight))


def choose_prior_weight(
    embedder: Embedder,
    method: Method,
    validation: Task,
    seed: int,
    weights: Sequence[float] = PRIOR_WEIGHTS,
) -> float:
    """Return the weight with the best accuracy on the validation's classes, the lower of equals.

    The episodes are other ones than those that validation reports. PRIOR_WEIGHT where validation
    draws no episodes, and where they have no support, so that every weight gives the same.
    """
    if not isinstance(validation, EpisodicTask) or validation.protocol.shape.k_shot == 0:
        return PRIOR_WEIGHT
    episodes = replace(validation.protocol, loaded=None).draw(seed, OTHER_EPISODES)
    rows = episodes.images()
    embedded = embedder.embed(validation.images, rows)
    accuracies = [
        score_episodes(reweighted(method, weight), embedded, rows, episodes).accuracy.mean()
        for weight in weights
    ]
    return weights[int(np.argmax(accuracies))]
