"""Checks of one value: an error names the key, what was found, and what is expected."""

import math

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


def a_device(value: str) -> None:
    """Raise ConfigError if `device=` names none that computes here."""
    one_of("device", value, ("auto", "cpu", "cuda"))


def no_empty_name(key: str, names: list[str], what: str) -> None:
    """Raise ConfigError if one of several names is empty: `images=a.jpg,,b.jpg`."""
    if not all(name.strip() for name in names):
        raise ConfigError(f"{key} names {what} with no name: is there a comma too many?")
