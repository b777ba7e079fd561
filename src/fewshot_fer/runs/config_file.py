"""The configuration of a run that is already there.

An encoder from a file, kept with the run that was begun with it, which then needs it no more.

What must be known to repeat a run: versions, machine, command, commit.
"""

import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from fewshot_fer import __version__
from fewshot_fer.config.checks import validate
from fewshot_fer.config.schema import BackboneConfig, TrainVerb
from fewshot_fer.models.backbones.from_file import WEIGHTS, encoder_file
from fewshot_fer.system.errors import ConfigError, RunError
from fewshot_fer.system.files import read_yaml_text, writing

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


CARD, SCRIPT = "encoder.yaml", "encoder.pt"


def keep_encoder(settings: BackboneConfig, run: Path) -> None:
    """Copy the card of an encoder's file, and a file of TorchScript, into a run's folder.

    Weights alone lie in the run's checkpoints. Raises WriteError.
    """
    if settings.name != "file":
        return
    file = encoder_file(settings.weights)
    copies = {run / CARD: file.with_suffix(".yaml")}
    if file.suffix != WEIGHTS:
        copies[run / SCRIPT] = file
    for target, source in copies.items():
        with writing(target):
            shutil.copyfile(source, target)


def with_kept_encoder(settings: TrainVerb, run: Path) -> TrainVerb:
    """Return a run's settings with the encoder's file that its folder holds, if it holds one."""
    backbone = settings.backbone
    if backbone.name != "file" or not (run / CARD).is_file():
        return settings
    file = run / SCRIPT
    weights = file if file.is_file() else file.with_suffix(WEIGHTS)
    return replace(settings, backbone=replace(backbone, weights=str(weights)))


PACKAGES = ("torch", "torchvision", "hydra-core", "omegaconf", "numpy", "pandas", "pillow")


def provenance(device: torch.device) -> dict[str, Any]:
    """Return versions, git commit (None outside a checkout), device, threads and command."""
    versions = {"fewshot_fer": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in PACKAGES}
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "command": shlex.join(sys.orig_argv),
        "versions": versions,
        "git_commit": git_commit(),
        "platform": platform.platform(),
        "device": gpu or device.type,
        "threads": torch.get_num_threads(),
    }


def git_commit() -> str | None:
    """Return the commit of the checkout that this package is run from, `-dirty` if changed."""
    top = Path(__file__).resolve().parents[3]
    if not (top / ".git").exists():  # an installed wheel may lie inside somebody else's checkout
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=top,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip() or None
