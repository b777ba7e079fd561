"""What can be said of a method without torch: its name, and the values of its settings.

What is known of each method is said where it is registered, see `models.methods.registry`.
"""

from fewshot_fer.config.names import require_name
from fewshot_fer.config.schema import MethodConfig, TrainVerb, supervised_epochs
from fewshot_fer.config.values import inside, one_of
from fewshot_fer.system.errors import ConfigError

KINDS = ("none", "l2", "cl2n")  # of normalising
COMPOSITIONS = ("mean", "unit", "neutral")  # of the parts of a class
SUPPORT, VALIDATION = FOUND_IN = ("support", "validation")  # the weight of a prior


def check_method(method: MethodConfig) -> None:
    """Raise ConfigError for an unknown name, or a value out of range."""
    require_name("method.name", method.name, "method")
    one_of("method.normalise", method.normalise, KINDS)
    one_of("method.composition", method.composition, COMPOSITIONS)
    _check_prior_weight(method.prior_weight)
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
