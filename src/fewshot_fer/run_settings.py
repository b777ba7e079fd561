"""The configuration of a run that is already there."""

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from fewshot_fer.config import TrainVerb
from fewshot_fer.errors import ConfigError, RunError
from fewshot_fer.validation import validate


def read_run_settings(run: Path) -> TrainVerb:
    """Return the settings of a trained run. Raises RunError if `run` is no folder of one."""
    path = run / "config.yaml"
    if not path.is_file():
        raise RunError(f"{run} is not the folder of a trained run: it holds no config.yaml")
    try:
        loaded = OmegaConf.merge(OmegaConf.structured(TrainVerb), OmegaConf.load(path))
        return validate(loaded, TrainVerb)  # type: ignore[arg-type]
    except (OmegaConfBaseException, ConfigError, YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path} is not the configuration of a trained run: {reason}") from error
