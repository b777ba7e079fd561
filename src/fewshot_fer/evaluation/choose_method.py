"""The method that a run's settings name, and the weight of priors that validation chooses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from fewshot_fer.config.schema import FOUND_IN, VALIDATION, MethodConfig
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.neutral import require_neutral
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import TrainingStatistics
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES, Method, refined, untrained_method
from fewshot_fer.models.methods.registry import LogitsFunction, find_method
from fewshot_fer.system.errors import ConfigError

PRIOR_WEIGHT = 8.0  # where validation cannot choose one
PRIOR_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
OTHER_EPISODES = 1_000_000  # as an epoch that no run reaches: episodes that no epoch has


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
    """Return canonical class -> canonical parts. Raises ConfigError for a class named twice."""
    named: dict[str, tuple[str, ...]] = {}
    for spelling, parts in settings.parts.items():
        name = canonical(spelling)
        if name in named:
            raise ConfigError(f"method.parts: {name} stands there twice, as {spelling} too")
        named[name] = tuple(canonical(part) for part in parts)
    return named


def require_parts(
    settings: MethodConfig,
    class_names: Sequence[str],
    protocols: Sequence[EpisodicProtocol | FixedProtocol],
) -> None:
    """Raise ConfigError if `method.parts` names a part that is no training class, or if a composed
    class that is tested without a support has no parts: nothing would be known of it."""
    no_prototypes = torch.zeros(len(class_names), 0)
    priors = Priors(tuple(class_names), no_prototypes, 0.0, None, _named_parts(settings))
    priors.require_named_parts()
    for protocol in protocols if settings.name == "composed" else ():
        if isinstance(protocol, EpisodicProtocol) and protocol.shape.k_shot == 0:
            priors.require(protocol.pool.class_names, f"{protocol.role} {protocol.title}")


def require_neutral_faces(protocols: Sequence[EpisodicProtocol | FixedProtocol]) -> None:
    """Raise DataError for a protocol without neutral faces of its subjects; say how many subjects
    of the others lack one."""
    for protocol in protocols:
        what = f"{protocol.role} {protocol.title}"
        tables = {what: protocol.table}
        if isinstance(protocol, FixedProtocol):
            tables[f"the support of {what}"] = protocol.support_table
        for name, table in tables.items():
            require_neutral(table, name)


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
    embedded = validation.embed(embedder, rows)
    accuracies = [
        score_episodes(reweighted(method, weight), embedded, rows, episodes).accuracy.mean()
        for weight in weights
    ]
    return weights[int(np.argmax(accuracies))]
