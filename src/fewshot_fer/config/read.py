"""Checks of one value: an error names the key, what was found, and what is expected.

The configuration of a verb with flat settings, as its dataclass.
"""

import dataclasses
import difflib
import math
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.system.errors import ConfigError


def at_least(key: str, value: int, low: int) -> None:
    """Raise ConfigError if a value is below `low`."""
    if value < low:
        raise ConfigError(f"{key}={value} is too small: it must be {low} or more")


def inside(key: str, value: float, low: float, high: float, above_low: bool = False) -> None:
    """Raise ConfigError if a value is not from `low` to `high`; with above_low not at `low`."""
    if not math.isfinite(value) or not low <= value <= high or (above_low and value == low):
        edge = "above" if above_low else "from"
        raise ConfigError(f"{key}={value} is out of range: it must be {edge} {low} to {high}")


def one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ConfigError if a value is none of the choices."""
    if value not in choices:
        raise ConfigError(f"{key}={value} is not known: choose one of {', '.join(choices)}")


Verb = TypeVar("Verb")


def read_settings(config: DictConfig, verb: type[Verb]) -> Verb:
    """Return the configuration as `verb`, a dataclass.

    Raises ConfigError for a key that it does not know (`+typo=1` gets past Hydra), with the nearest
    one, and for values that are missing or of another type.
    """
    known = [field.name for field in dataclasses.fields(verb)]  # type: ignore[arg-type]
    for key in map(str, config):
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{key} is not a setting; {hint}")
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            example = "outputs/train/..." if missing[0] == "run" else "..."
            raise ConfigError(f"{missing[0]} has no value: give it as {missing[0]}={example}")
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    assert isinstance(settings, verb)
    return settings
