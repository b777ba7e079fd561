"""Rules of the settings that say how an evaluation treats clips."""

from fewshot_fer.config.names import at_least, one_of
from fewshot_fer.config.schema import POOLINGS, UNITS, EvalConfig
from fewshot_fer.system.errors import ConfigError

VOTES = ("probability", "embedding", "majority")


def check_unit(key: str, unit: str) -> None:
    """Raise ConfigError where `key=unit` is nothing that an episode can count."""
    one_of(key, unit, UNITS)


def check_clips(where: str, settings: EvalConfig) -> None:
    """Raise ConfigError naming the key, which lies below `where`, and the fix."""
    check_unit(f"{where}.unit", settings.unit)
    one_of(f"{where}.pooling", settings.pooling, POOLINGS)
    if settings.frames is not None:
        at_least(f"{where}.frames", settings.frames, 1)
    counts_clips = settings.unit == "clip"
    one_of(f"{where}.vote", settings.vote, (*VOTES, "none") if counts_clips else VOTES)
    if counts_clips and settings.kind == "fixed":
        raise ConfigError(
            f"{where}.unit=clip: a fixed support has no episodes, and frames vote for their clips "
            f"as they are ({where}.vote=): leave unit out, or take {where}.kind=episodes"
        )
