"""The method that a run's settings name, and the weight of priors that validation chooses."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from fewshot_fer.config.model_schema import FOUND_IN, LEARNT, VALIDATION, MethodConfig
from fewshot_fer.data.neutral import require_neutral
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel, NetworkViews
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import TrainingStatistics
from fewshot_fer.evaluation.views import Views
from fewshot_fer.models.methods.composed import Priors, named_parts
from fewshot_fer.models.methods.method import PROTOTYPES, Method, refined
from fewshot_fer.models.methods.registry import find_method, method_names
from fewshot_fer.models.methods.text import TEXT, named_prompts, require_words, text_priors
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.system.errors import ConfigError, RunError

log = logging.getLogger("fewshot_fer")
PRIOR_WEIGHT = 8.0  # where validation cannot choose one
PRIOR_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
OTHER_EPISODES = 1_000_000  # as an epoch that no run reaches: episodes that no epoch has


def choose_method(
    settings: MethodConfig,
    views: Views,
    statistics: TrainingStatistics | None,
    prior_weight: float | None = None,
) -> Method:
    """Return the method to evaluate.

    views: over the network that was trained; statistics: None where the method needs none;
    prior_weight: what validation chose, where the settings give none. Raises ConfigError where the
    network has not what the method takes.
    """
    known = find_method(settings.name)
    if known.supervised:
        return PROTOTYPES  # on its features; a classifier's head is beside it
    if known.has_weights:
        return Method(settings.name, views.network.logits, on=known.on)
    if known.needs_no_training:
        return views.method(settings.name)
    assert statistics is not None
    method = prior_method(settings, statistics, settings.normalise, views)
    if settings.prior_weight == VALIDATION:
        return reweighted(method, PRIOR_WEIGHT if prior_weight is None else prior_weight)
    return method


def other_methods(
    names: Sequence[str],
    model: FewShotModel,
    side: TrainingStatistics | None,
    settings: MethodConfig,
) -> list[Method]:
    """Return the methods that are named, each with embeddings as its paper has them.

    `all` are those that need no training, but fine-tuning of the encoder; those that this encoder
    does not allow are left out, with a warning. The run's own is left out.

    Raises RunError where the run stores no statistics of its training images, and ConfigError where
    a method that is named cannot be had of its encoder.
    """
    if not names:
        return []
    if side is None:
        raise RunError("the run was trained by an earlier version: it lacks its training mean")
    if "all" not in names:
        return _methods(list(dict.fromkeys(names)), model, side, settings)
    plain = method_names(needs_no_training=True, in_all=True, is_floor=False)
    floors, from_names = method_names(is_floor=True), ["composed", "composed+bdcspn"]
    assert model.views is not None
    with contextlib.suppress(ConfigError):  # few encoders read text: no word of those that do not
        model.views.text()
        from_names.append(TEXT)
    made, left_out = list[Method](), dict[str, list[str]]()
    for name in (*plain, *from_names, *floors):
        try:
            made += _methods([name], model, side, settings)
        except ConfigError as error:
            left_out.setdefault(str(error).removeprefix(f"method={name}"), []).append(name)
    for reason, of_them in left_out.items():
        log.warning("methods=all leaves out %s: %s", ", ".join(of_them), reason.lstrip(" :"))
    return made


def _methods(
    names: Sequence[str], model: FewShotModel, side: TrainingStatistics, settings: MethodConfig
) -> list[Method]:
    """Return the methods of these names but the model's own."""
    assert model.views is not None
    made = list[Method]()
    for name in names:
        if name == model.method.name:
            continue
        base, _, by = name.partition("+")
        kind = find_method(base).normalise
        if find_method(base).zero_shot:
            named = replace(settings, name=base, refine=by or "none")
            method = prior_method(named, side, kind, model.views)
            made.append(replace(method, normalisation=side.normalisation(kind)))
            continue
        how = side.normalisation(kind) if kind else Normalisation()
        made.append(replace(model.views.method(name), normalisation=how))
    return made


def prior_method(
    settings: MethodConfig, statistics: TrainingStatistics, normalise: str, views: NetworkViews
) -> Method:
    """Return prototypes with priors of classes by their names, over embeddings that are normalised
    in this way: composed ones, or those from text.

    Raises ConfigError where the network reads no text.
    """
    if settings.name == TEXT:
        whole = priors(statistics, normalise, replace(settings, composition="mean"))
        known: Priors = text_priors(whole, views.text(), named_prompts(settings))
    else:
        known = priors(statistics, normalise, settings)
    method = Method(settings.name, find_method(settings.name).logits, priors=known)
    if settings.prior_weight not in FOUND_IN:
        method = reweighted(method, float(settings.prior_weight))
    if settings.refine == "none":
        return method
    return refined(method, settings.refine)


def priors(statistics: TrainingStatistics, normalise: str, settings: MethodConfig) -> Priors:
    """Return priors of classes by their names, whose weight is found in each support.

    Raises RunError where classes are to be composed by a map that the run has not learnt.
    """
    maps = statistics.pair_maps
    if settings.composition == LEARNT and maps is None:
        raise RunError(
            "the run has learnt no map of two prototypes to one: train it with "
            "method.composition=learnt, or compose by method.composition=mean"
        )
    return Priors(
        class_names=statistics.class_names,
        prototypes=statistics.prototypes[normalise],
        spread=statistics.spreads[normalise],
        weight=None,
        parts=named_parts(settings),
        composition=settings.composition,
        part_weights=tuple(settings.part_weights),
        pair_map=None if maps is None else maps[normalise],
    )


def require_parts(
    settings: MethodConfig,
    class_names: Sequence[str],
    protocols: Sequence[EpisodicProtocol | FixedProtocol],
) -> None:
    """Raise ConfigError if `method.parts` names a part that is no training class, or if nothing is
    known of a class: of a composed one that is tested without a support and has no parts, or beside
    a classifier of one that it knows neither itself nor in parts."""
    no_prototypes = torch.zeros(len(class_names), 0)
    priors = Priors(tuple(class_names), no_prototypes, 0.0, None, named_parts(settings))
    priors.require_named_parts()
    require = partial(require_words, named_prompts(settings))
    for protocol in protocols if find_method(settings.name).zero_shot else ():
        if isinstance(protocol, EpisodicProtocol) and protocol.shape.k_shot == 0:
            names, what = protocol.pool.class_names, f"{protocol.role} {protocol.title}"
            require(names, what) if settings.name == TEXT else priors.require(names, what)
    for protocol in protocols if find_method(settings.name).takes_head else ():
        known = protocol.support if isinstance(protocol, FixedProtocol) else protocol.pool
        names = known.class_names
        if lacking := [name for name in names if not priors.parts_of(name)]:
            raise ConfigError(
                f"{protocol.role} {protocol.title}: method={settings.name} takes a classifier's "
                f"weights, and it knows neither {', '.join(lacking)} nor what they are made of: "
                f"name the parts with +method.parts.NAME=[a,b], or take another method"
            )


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
