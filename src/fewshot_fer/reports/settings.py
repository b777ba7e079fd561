"""What `python -m fewshot_fer.report` reads."""

from dataclasses import dataclass, field

from omegaconf import DictConfig

from fewshot_fer.errors import ConfigError
from fewshot_fer.verb_settings import read_settings

MOST_RUNS = 26  # each has a letter


@dataclass
class ReportVerb:
    """One of `runs`, `study` and `compare` is given."""

    runs: list[str] = field(default_factory=list)  # folders below which any runs and sweeps lie
    embeddings: bool = True  # of runs: maps of what encoders make of the pictures
    pictures: bool = True  # of runs: small copies of pictures in the page
    study: str | None = None  # the folder below which the study's runs lie
    compare: list[str] = field(default_factory=list)  # run folders, the first is the reference
    outputs: str = "outputs"
    seed: int = 0  # of the bootstrap


def validate_report(config: DictConfig) -> ReportVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, ReportVerb)
    _check(settings)
    return settings


def _check(settings: ReportVerb) -> None:
    given = [key for key in ("runs", "study", "compare") if getattr(settings, key)]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are {len(given)} reports: give one of them")
    if not given:
        raise ConfigError(
            "nothing to report: give runs=outputs/, or give study=outputs/... or compare=runA,runB"
        )
    if "" in settings.runs:
        raise ConfigError("runs names a folder with no name: is there a comma too many?")
    if len(settings.compare) == 1:
        raise ConfigError(f"compare={settings.compare[0]} is one run: name two, with a comma")
    if len(settings.compare) > MOST_RUNS:
        raise ConfigError(f"compare has {len(settings.compare)} runs: {MOST_RUNS} at the most")
    if "" in settings.compare:
        raise ConfigError("compare names a run with no name: is there a comma too many?")
    if settings.seed < 0:
        raise ConfigError(f"seed={settings.seed} is too small: it must be 0 or more")
