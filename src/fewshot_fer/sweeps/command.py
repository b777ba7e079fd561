"""From the words of a command to a sweep: its jobs, and a folder that the same command finds again.

`sweep=NAME` stands for the words in conf/sweep/NAME.yaml. A sweep's folder is named by a digest of
what it computes, so a second start of a command goes on where the first one ended.
"""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.config import conf_dir
from fewshot_fer.errors import ConfigError

FLAGS = ("-m", "--multirun")
EXTRAS = {
    "joblib": ("sweep", "hydra_plugins.hydra_joblib_launcher"),
    "submitit_slurm": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "submitit_local": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "ray": ("ray", "hydra_plugins.hydra_ray_launcher"),
}
"""Launchers that are extras: what is installed for them, and how to tell that it is."""


@dataclass(frozen=True)
class Sweep:
    """folder: of all jobs; words: the command line that Hydra is to read."""

    folder: Path
    words: list[str]


def expand_sweep(words: Sequence[str]) -> list[str]:
    """Put what a file in conf/sweep/ says in the place of `sweep=NAME`.

    A key that the command line gives itself is left as it is there. Raises ConfigError for a name
    without a file.
    """
    named = [word.removeprefix("sweep=") for word in words if word.startswith("sweep=")]
    others = [word for word in words if not word.startswith("sweep=")]
    if not named or named[-1] in ("", "null"):
        return others
    file = conf_dir() / "sweep" / f"{named[-1]}.yaml"
    names = sorted(path.stem for path in file.parent.glob("*.yaml"))
    if named[-1] not in names:
        raise ConfigError(f"sweep={named[-1]} is not known: choose one of {', '.join(names)}")
    given = {word.lstrip("+~").split("=", 1)[0] for word in others}
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    added = [f"{key}={values}" for key, values in content.items() if key not in given]
    flags = [] if any(word in FLAGS for word in others) else ["-m"]
    return [*flags, *others, *added]


def plan_sweep(verb: str, words: Sequence[str]) -> Sweep | None:
    """Return the sweep that the words ask for; None for a single run, and for words that Hydra
    refuses, which it then does itself.

    Raises ConfigError where the launcher is not installed.
    """
    if not any(word in FLAGS for word in words):
        return None
    try:
        overrides = OverridesParser.create().parse_overrides(
            [word for word in words if not word.startswith("-")]
        )
        own = [each for each in overrides if not str(each.key_or_group).startswith("hydra")]
        base = _compose(verb, [each for each in own if not each.is_sweep_override()])
    except (HydraException, OmegaConfBaseException):
        return None
    _require_launcher(overrides)
    if given := [each for each in overrides if each.key_or_group == "hydra.sweep.dir"]:
        return Sweep(Path(str(given[-1].value())), list(words))
    swept = [each.input_line for each in own if each.is_sweep_override()]
    folder = Path(base["paths"].pop("outputs")) / "sweeps" / f"{verb}_{_digest(verb, base, swept)}"
    if any(each.key_or_group == "hydra/launcher" for each in overrides):
        folder = folder.absolute()  # jobs may start elsewhere
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return Sweep(folder, [*words, f"hydra.sweep.dir='{quoted}'"])


def _compose(verb: str, overrides: Sequence[Override]) -> dict[str, Any]:
    lines = [str(each.input_line) for each in overrides]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        composed = hydra.compose(verb, overrides=lines)
    content = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _digest(verb: str, base: dict[str, Any], swept: Sequence[str | None]) -> str:
    text = json.dumps([verb, base, list(swept)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _require_launcher(overrides: Sequence[Override]) -> None:
    """Raise ConfigError where an extra must be installed first: Hydra names a class it misses."""
    for each in overrides:
        if each.key_or_group != "hydra/launcher":
            continue
        extra, module = EXTRAS.get(str(each.value()), ("", ""))
        if extra and not _is_there(module):
            raise ConfigError(
                f"hydra/launcher={each.value()} needs an extra: "
                f'type pip install "fewshot_fer[{extra}]"'
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # no plugin of Hydra at all
        return False
