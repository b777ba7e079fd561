"""What can be said of a method from its settings alone: ranges, and what does not go together."""

from fewshot_fer.config.names import require_name
from fewshot_fer.config.schema import (
    EvalConfig,
    MethodConfig,
    TestVerb,
    TrainVerb,
    supervised_epochs,
)
from fewshot_fer.config.values import inside, one_of
from fewshot_fer.system.errors import ConfigError

UNTRAINED = (  # methods; here by name, as their own files import torch
    *("protonet", "simpleshot", "matching", "baseline", "baseline++"),
    *("bdcspn", "laplacianshot", "tim", "ptmap"),
)
TRAINED = ("cosine", "euclidean", "matching_fce", "relation", "feat")  # with weights of their own
TRANSDUCTIVE = ("bdcspn", "laplacianshot", "tim", "ptmap")  # ask all queries of an episode together
KINDS = ("none", "l2", "cl2n")  # of normalising
REFINEMENTS = ("bdcspn", "laplacianshot", "tim")  # of composed prototypes, by the queries
REFINED = tuple(f"composed+{name}" for name in REFINEMENTS)  # as tables and methods= have them
COMPOSITIONS = ("mean", "unit", "neutral")  # of the parts of a class
SUPPORT, VALIDATION = FOUND_IN = ("support", "validation")  # the weight of a prior


def check_method(settings: TrainVerb) -> None:
    """Raise ConfigError for what no training run can do."""
    method = settings.method
    require_name("method.name", method.name, "method")
    one_of("method.normalise", method.normalise, KINDS)
    if method.name == "classifier" and method.normalise != "none":
        raise ConfigError(
            f"method.normalise={method.normalise}: a classifier answers on its embeddings as they "
            f"are: add train=supervised; or take train=pretrain with method=protonet"
        )
    if method.name == "ptmap" and method.normalise == "cl2n":
        raise ConfigError(
            "method.normalise=cl2n: ptmap compares square roots, which half of all centred numbers "
            "have not; add method.normalise=l2"
        )
    if method.name in TRAINED and not draws_episodes(settings):
        raise ConfigError(
            f"method={method.name} has weights that only episodes train, and none are drawn here: "
            f"take train=pretrain_meta, or a method without such, as method=simpleshot"
        )
    _check_prior_weight(method.prior_weight)
    one_of("method.composition", method.composition, COMPOSITIONS)
    one_of("method.refine", method.refine, ("none", *REFINEMENTS))
    if method.refine != "none" and method.name != "composed":
        raise ConfigError(
            f"method.refine={method.refine} is for composed classes, and this is "
            f"method={method.name}; take method={method.refine}, or add method=composed"
        )
    given: object = method.parts  # of any type, where it was interpolated
    if not isinstance(given, dict):
        raise ConfigError("method.parts: expected the parts of each class, as {bored: [neutral]}")
    for name, parts in given.items():
        if not parts:
            raise ConfigError(f"method.parts.{name} is empty: name its parts, as in [sadness,fear]")


def _check_prior_weight(given: str) -> None:
    if given in FOUND_IN:
        return
    try:
        inside("method.prior_weight", float(given), 0.0, 1e6)
    except ValueError:
        raise ConfigError(
            f"method.prior_weight={given}: give a number of pictures, or {' or '.join(FOUND_IN)}"
        ) from None


def draws_episodes(settings: TrainVerb) -> bool:
    """Tell whether any epoch draws episodes."""
    return supervised_epochs(settings) < settings.train.epochs


def check_run_answers(settings: TestVerb, trained: TrainVerb) -> None:
    """Raise ConfigError where a run's method cannot be asked what a test asks."""
    if {"all", "composed", *REFINED} & set(settings.methods):
        return  # the run's own is left out of what it cannot answer
    for name, test in settings.test.items():
        check_answers(f"test.{name}", test, answering_name(trained.method))


def answering_name(method: MethodConfig) -> str:
    """Return how tables call what answers episodes: composed+bdcspn for one that is refined."""
    return method.name if method.refine == "none" else f"{method.name}+{method.refine}"


def check_answers(where: str, settings: EvalConfig, method: str) -> None:
    """Raise ConfigError where a method, by its name in tables, cannot be asked what an evaluation
    asks; where: its key."""
    if settings.k_shot == 0 and method not in ("composed", *REFINED):
        raise ConfigError(
            f"{where}.k_shot=0: only method=composed answers without a support, and this is "
            f"method={method}"
        )
    if settings.kind == "fixed" and method in (*TRANSDUCTIVE, *REFINED):
        raise ConfigError(
            f"{where}.kind=fixed: method={method} answers all queries of an episode together, and "
            f"a fixed support has no episodes; take episodes, such as compound_4w5s, or another "
            f"method"
        )
