"""Weights from a file, read without running code, and a network without its classifier."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.torch_files import require_sums

WRAPPERS = ("state_dict", "model", "model_state_dict", "net")  # keys that weights often lie under
PREFIXES = ("module.", "network.")


def cut_head(network: nn.Module, name: str) -> str:
    """Replace the last linear layer by the identity, so that features come out; return its path.

    Raises ConfigError where there is none.
    """
    linear: list[str] = [
        path for path, part in network.named_modules() if isinstance(part, nn.Linear)
    ]
    if not linear:
        raise ConfigError(f"backbone.name={name} ends in no linear layer: take another network")
    parent, _, last = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return linear[-1]


def load_weights(network: nn.Module, file: Path, head: str = "") -> None:
    """Load a state_dict (.pt, .pth, .bin or .safetensors) into a network without its head.

    head: the path of the layer that was cut, whose weights are left out. Raises ConfigError naming
    the file and what does not fit.
    """
    state = read_weights(file)
    own = network.state_dict()
    of_head = [name for name in state if head and f"{name}.".startswith(f"{head}.")]
    kept = {name: value for name, value in state.items() if name not in of_head}
    lacking, strange = sorted(own.keys() - kept.keys()), sorted(kept.keys() - own.keys())
    lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
    other = [n for n in kept.keys() & own.keys() if kept[n].shape != own[n].shape]
    for what, names in (("it lacks", lacking), ("it also has", strange), ("other shapes:", other)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ConfigError(
                f"backbone.weights={file} does not fit the network: {what} "
                f"{', '.join(names[:3])}{more}. Give the backbone.name= that it was saved from"
            )
    network.load_state_dict(own | kept)


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the tensors in a weight file, without the wrappers and prefixes of training loops.

    Raises ConfigError naming the file and the fault.
    """
    if not file.is_file():
        raise ConfigError(f"backbone.weights={file} is not a file: give a path, imagenet or none")
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values())
    if not tensors or not content:
        raise ConfigError(f"backbone.weights={file} holds no weights: a state_dict is expected")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return content


def refuse_script(file: Path) -> None:
    """Raise ConfigError for a network saved as a program, which no reading of weights may run."""
    try:
        with zipfile.ZipFile(file) as archive:
            is_script = any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return  # `torch.load` says what is wrong with it
    if is_script:
        raise ConfigError(
            f"backbone.weights={file} is a program in TorchScript, which is not loaded: give the "
            f"network's state_dict(), as .safetensors or .pth, or the network as an ONNX file with "
            f"backbone=onnx"
        )


def _read_torch(file: Path) -> Any:  # noqa: ANN401
    refuse_script(file)
    try:
        require_sums(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no one class for what it meets in a strange file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        reason = reason if file.stat().st_size else "it is empty"
        raise ConfigError(f"backbone.weights={file} cannot be read as weights: {reason}") from error


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"backbone.weights={file} cannot be read as weights: {error}") from error


def state_digest(state: dict[str, Tensor]) -> str:
    """Return 16 hex digits that say which weights these are, wherever they lie."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
