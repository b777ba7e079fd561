"""Rules about methods: what settings do not go together, by what is registered of each method.

They are checked where a job begins, before any data are read; `config.read` has checked the names
and values before.
"""

from fewshot_fer.config.names import one_of
from fewshot_fer.config.schema import EvalConfig, MethodConfig, TestVerb, TrainVerb, draws_episodes
from fewshot_fer.models.methods.registry import find_method, method_names, refined_names
from fewshot_fer.system.errors import ConfigError


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
    one_of("method.refine", method.refine, ("none", *method_names(refines=True)))
    if method.refine != "none" and not known.zero_shot:
        raise ConfigError(
            f"method.refine={method.refine} is for composed classes, and this is "
            f"method={method.name}; take method={method.refine}, or add method=composed"
        )
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
