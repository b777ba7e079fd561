"""What `python -m fewshot_fer.report` reads."""

import dataclasses
from dataclasses import dataclass, field

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.errors import ConfigError


@dataclass
class ReportVerb:
    """One of `study` and `compare` is given."""

    study: str | None = None  # the folder below which the study's runs lie
    compare: list[str] = field(default_factory=list)  # run folders, the first is the reference
    outputs: str = "outputs"
    seed: int = 0  # of the bootstrap


def validate_report(config: DictConfig) -> ReportVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    known = [f.name for f in dataclasses.fields(ReportVerb)]
    for key in map(str, config):
        if key not in known:
            raise ConfigError(f"{key} is not a setting; known: {', '.join(known)}")
    try:
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    assert isinstance(settings, ReportVerb)
    if bool(settings.compare) == (settings.study is not None):
        raise ConfigError("say what to report: study=outputs/..., or compare=runA,runB")
    if settings.compare and len(settings.compare) < 2:
        raise ConfigError(f"compare={settings.compare[0]} is one run: name two or more")
    return settings
