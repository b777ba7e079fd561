"""The configuration of a run that is already there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from fewshot_fer.config import TrainVerb
from fewshot_fer.errors import ConfigError, RunError
from fewshot_fer.plain_yaml import read_yaml_text
from fewshot_fer.validation import validate

LAST = ("seed", "device", "precision")  # that every version wrote, near the end


def read_run_settings(run: Path) -> TrainVerb:
    """Return the settings of a trained run. Raises RunError if `run` is no folder of one."""
    path = run / "config.yaml"
    if not path.is_file():
        raise RunError(f"{run} is not the folder of a trained run: it holds no config.yaml")
    try:
        loaded = OmegaConf.create(read_yaml_text(path))
        _refuse_interpolations(OmegaConf.to_container(loaded))
        merged = OmegaConf.merge(OmegaConf.structured(TrainVerb), loaded)
        settings = validate(merged, TrainVerb)  # type: ignore[arg-type]
        if lacking := [key for key in LAST if key not in loaded]:
            raise ConfigError(f"it is cut off, for it lacks {', '.join(lacking)}")
        return settings
    except Exception as error:  # YAML has no one class for what it meets in a strange file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{path} is not the configuration of a trained run: {reason}") from error


def _refuse_interpolations(content: object) -> None:
    """Raise ConfigError for `${...}`: a run writes what it came to, and a stranger's file must not
    ask for variables of the environment."""
    if found := next(_interpolated(content, ""), None):
        raise ConfigError(f"{found} holds a ${{...}}, and a run writes none")


def _interpolated(content: Any, key: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the keys, `train.lr` for one, whose values would be put together when read."""
    if isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        for name, value in pairs:
            yield from _interpolated(value, f"{key}.{name}".lstrip("."))
    elif isinstance(content, str) and "${" in content:
        yield key
