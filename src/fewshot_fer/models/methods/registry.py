"""Registry of few-shot methods: their logits by name, what is known of each, and what it excludes.

@register_method("tim", uses=TRANSDUCTIVE, normalise="cl2n")
def tim_logits(support: Tensor, query: Tensor) -> Tensor: ...
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from fewshot_fer.config.model_schema import MethodConfig
from fewshot_fer.config.names import one_of, register_name
from fewshot_fer.config.schema import (
    EvalConfig,
    TestVerb,
    TrainVerb,
    draws_episodes,
    supervised_epochs,
)
from fewshot_fer.system.errors import ConfigError

LogitsFunction = Callable[[Tensor, Tensor], Tensor]
"""(support [E, way, shot, D], query [E, Q, D]) -> logits [E, Q, way]"""
TRANSDUCTIVE = "all queries of an episode together"
FEATURES, MAPS, TRUNK, PIXELS, UNTRAINED = (
    *("features", "maps", "trunk", "pixels", "untrained encoder"),
)
"""What methods work on: an encoder's embeddings; its last feature maps, flattened; what its last
block takes, flattened; pixels; the embeddings of the same encoder with random weights."""
NO_HEAD = (
    "needs a classifier beside the encoder, and this one has none: train it with "
    "train=pretrain_meta or train=pretrain, or take train=frozen backbone=face_expression"
)
AS_MAPS = {
    "cl2n": "the training mean is of embeddings, and this method compares other values: add "
    "method.normalise=none"
}
REFERENCE = "protonet"  # through whose logits the encoder learns where a method has none for that
_METHODS: dict[str, "RegisteredMethod"] = {}
Registered = TypeVar("Registered", bound=Callable[..., Any])


@dataclass(frozen=True)
class RegisteredMethod:
    """A method by the name that settings and tables give it.

    source: its logits or, where it has weights or settings of its own, a module's class; uses:
    transductive use of the episode's queries, "" for none; normalise: the normalisation of its
    paper, "" for embeddings as they come; refuses: normalisation -> why not, and what to do; on:
    what it works on, FEATURES or another of the five.
    """

    name: str
    source: LogitsFunction | type[nn.Module]
    uses: str = ""
    normalise: str = ""
    refuses: Mapping[str, str] = field(default_factory=dict)
    on: str = FEATURES
    learns: bool = False  # the encoder can be trained through its logits
    untrained: bool = False  # its weights, which episodes can train, are of use as they start
    is_floor: bool = False  # a baseline of what is reached without a trained encoder
    takes_head: bool = False  # needs the weights of a classifier over training classes
    in_all: bool = True  # of `methods=all`, where it needs no training
    supervised: bool = False  # trained as a classifier, in passes over the training set
    of_means: bool = False  # needs nothing of a support but the class means, and no other query
    zero_shot: bool = False  # needs no support where priors are known by the names of classes
    refines: bool = False  # can go on from composed prototypes, see `refined`

    @property
    def has_weights(self) -> bool:
        """Whether it is a module, with weights that episodes can train."""
        return isinstance(self.source, type)

    @property
    def needs_episodes(self) -> bool:
        """Whether it has weights of its own, which only episodes train."""
        return self.has_weights and not self.untrained

    @property
    def needs_no_training(self) -> bool:
        """Whether it works with any encoder as it is, beside a run's own method."""
        return not (self.needs_episodes or self.supervised or self.zero_shot)

    @property
    def logits(self) -> LogitsFunction:
        """The logits of a method without weights."""
        assert not self.has_weights, f"{self.name} has weights: build_logits makes it"
        return cast(LogitsFunction, self.source)

    @property
    def trained_as(self) -> str:
        """The name of the method whose logits the encoder is trained through."""
        return self.name if self.learns or self.has_weights else REFERENCE


def register_method(name: str, **known: Any) -> Callable[[Registered], Registered]:  # noqa: ANN401
    """Return a decorator that registers a function or a module's class under a name.

    known: fields of RegisteredMethod. A class is built with those of `n_features` (of an embedding)
    and `channels` (of the maps that it is the flattened form of) that its constructor names.
    """

    def register(source: Registered) -> Registered:
        _METHODS[name] = RegisteredMethod(name, source, **known)
        register_name("method", name)
        return source

    return register


def find_method(name: str) -> RegisteredMethod:
    """Return what is registered under a name. Raises ConfigError for an unknown one."""
    if name not in _METHODS:
        known = ", ".join(_METHODS)
        raise ConfigError(f"method.name={name} is not known: choose one of {known}")
    return _METHODS[name]


def method_names(**having: bool | str) -> tuple[str, ...]:
    """Return the names of the methods that have these attributes.

    First those through which an encoder can learn, then those fitted to each support, then the
    transductive ones, at last the baselines without a trained encoder: the order of tables that
    compare them.

    >>> method_names(refines=True)
    ('bdcspn', 'laplacianshot', 'laplacian', 'tim')
    """
    chosen = [
        method
        for method in _METHODS.values()
        if all(getattr(method, key) == value for key, value in having.items())
    ]
    chosen.sort(key=lambda method: (method.is_floor, not method.learns, bool(method.uses)))
    return tuple(method.name for method in chosen)


def refined_names() -> tuple[str, ...]:
    """Return how tables and `methods=` name prototypes with priors and each refinement."""
    refining = method_names(refines=True)
    return tuple(f"{name}+{by}" for name in method_names(zero_shot=True) for by in refining)


def build_logits(name: str, n_features: int, channels: int) -> LogitsFunction:
    """Return the logits that an encoder is trained through for `method.name`.

    An nn.Module where the method has weights; the prototypes' where it cannot be learnt through: a
    classifier's features, composed classes, and methods that fit something to each episode.
    """
    method = find_method(find_method(name).trained_as)
    if not method.has_weights:
        return method.logits
    given = {"n_features": n_features, "channels": channels}
    named = inspect.signature(method.source).parameters
    built: Any = method.source
    return cast(LogitsFunction, built(**{key: given[key] for key in given if key in named}))


def check_training(settings: TrainVerb) -> None:
    """Raise ConfigError where a run cannot train its method, or evaluate it as it is to."""
    method = settings.method
    known = find_method(method.name)
    if method.normalise in known.refuses:
        reason = known.refuses[method.normalise]
        raise ConfigError(f"method.normalise={method.normalise}: {reason}")
    if known.needs_episodes and not draws_episodes(settings):
        raise ConfigError(
            f"method={method.name} has weights that only episodes train, and none are drawn here: "
            f"take train=pretrain_meta, or a method without such, as method=simpleshot"
        )
    packaged = settings.train.epochs == 0 and settings.backbone.weights == "packaged"
    classifies = supervised_epochs(settings) or settings.train.classification_weight
    if known.takes_head and not (packaged or classifies):
        raise ConfigError(f"method={method.name} {NO_HEAD}")
    if known.is_floor and settings.train.epochs:
        raise ConfigError(
            f"method={method.name} takes nothing of an encoder, so nothing can be trained for it: "
            f"take train=frozen, or name it beside another method, methods={method.name}"
        )
    if known.on != FEATURES and settings.train.classification_weight:
        raise ConfigError(
            f"train.classification_weight={settings.train.classification_weight:g}: a classifier "
            f"stands on embeddings, and method={method.name} works on {known.on}: leave it out"
        )
    one_of("method.refine", method.refine, ("none", *method_names(refines=True)))
    if method.refine != "none" and not known.zero_shot:
        raise ConfigError(
            f"method.refine={method.refine} is for prototypes with priors, and this is "
            f"method={method.name}; take method={method.refine}, or add method=composed"
        )
    check_comparison(settings.methods)
    for key, evaluation in {"eval": settings.eval, **_keyed(settings.test)}.items():
        check_evaluation(key, evaluation, table_name(method))


def check_comparison(names: list[str]) -> None:
    """Raise ConfigError for a name in `methods=` that no comparison knows."""
    known = ("all", *method_names(zero_shot=True), *refined_names())
    known += method_names(needs_no_training=True)
    for name in names:
        one_of("methods", name, known)


def check_run_tests(settings: TestVerb, trained: TrainVerb) -> None:
    """Raise ConfigError where a trained run's method cannot be evaluated as a test is set."""
    if {"all", *method_names(zero_shot=True), *refined_names()} & set(settings.methods):
        return  # the run's own is left out where it has no logits
    for key, test in _keyed(settings.test).items():
        check_evaluation(key, test, table_name(trained.method))


def check_evaluation(key: str, settings: EvalConfig, method: str) -> None:
    """Raise ConfigError where a method, by its name in tables, cannot be evaluated in this way.

    key: of the evaluation, which the message names.
    """
    is_refined = method in refined_names()
    zero_shot = method_names(zero_shot=True)
    if settings.k_shot == 0 and not is_refined and method not in zero_shot:
        raise ConfigError(
            f"{key}.k_shot=0: only method={' or '.join(zero_shot)} answers without a support, and "
            f"this is method={method}"
        )
    if settings.kind == "fixed" and (is_refined or find_method(method).uses):
        raise ConfigError(
            f"{key}.kind=fixed: method={method} answers all queries of an episode together, and "
            f"a fixed support has no episodes; take episodes, such as compound_4w5s, or another "
            f"method"
        )


def table_name(method: MethodConfig) -> str:
    """Return the name of a method in tables: composed+bdcspn for one that is refined."""
    return method.name if method.refine == "none" else f"{method.name}+{method.refine}"


def _keyed(tests: dict[str, EvalConfig]) -> dict[str, EvalConfig]:
    return {f"test.{name}": test for name, test in tests.items()}
