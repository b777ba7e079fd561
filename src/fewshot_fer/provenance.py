"""What must be known to repeat a run: versions, machine, command, commit."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

from fewshot_fer import __version__

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


def choices() -> dict[str, str]:
    """Return which file of conf/ was taken for each group, experiment among them."""
    if not HydraConfig.initialized():
        return {}
    taken = HydraConfig.get().runtime.choices.items()
    return {str(group): str(name) for group, name in taken if not str(group).startswith("hydra/")}


def git_commit() -> str | None:
    """Return the commit of the checkout that this package is run from, `-dirty` if changed."""
    top = Path(__file__).resolve().parents[2]
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
