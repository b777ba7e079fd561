"""An encoder from a file with a card beside it: face networks, and others that none else knows.

`faces.pt` is TorchScript and brings its own network; `faces.safetensors` holds weights of a network
that the card names. The card, faces.yaml, says what the images must be like:

    image_size: 112
    mean: [0.5, 0.5, 0.5]      # of channels in 0..1, in the order of `channels`
    std: [0.5, 0.5, 0.5]
    channels: rgb              # or bgr
    layout: nchw               # or nhwc
    architecture: resnet18     # for weights: a backbone.name
"""

import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from fewshot_fer.errors import ConfigError
from fewshot_fer.models.encoder_input import Encoder, EncoderInput, Triple

NEEDED, OPTIONAL = ("image_size", "mean", "std"), ("channels", "layout", "architecture")
LARGEST_CODE = 10_000_000  # bytes of TorchScript's sources; real ones have a few hundred thousand
REACHES_OUT = re.compile(
    r"(?<![\w.])(?:torch|ops\.aten)\.(?:save|from_file|load\w*)\s*\(|__torch__\.torch\.classes|"
    r"(?<![\w.])ops\.(?!aten\.|prim\.|torchvision\.)\w+"
)
"""What TorchScript can do beside arithmetic: files, and operators or classes of other libraries."""


@dataclass(frozen=True)
class Card:
    """What the file beside an encoder says of it."""

    takes: EncoderInput
    architecture: str  # "" where it is not named


def encoder_file(weights: str) -> Path:
    """Return the path. Raises ConfigError where it is no file."""
    file = Path(weights).expanduser()
    if weights in ("none", "imagenet") or not file.is_file():
        raise ConfigError(
            f"backbone.weights={weights}: backbone=file takes a TorchScript or safetensors file, "
            f"with its card beside it under the same name and .yaml"
        )
    return file


def read_card(file: Path) -> Card:
    """Return the card of an encoder's file. Raises ConfigError naming the card and the fault."""
    path = file.with_suffix(".yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not there: an encoder's file needs a card that says {', '.join(NEEDED)}"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no card: expected {', '.join(NEEDED)}, one a line")
    if lacking := [key for key in NEEDED if key not in content]:
        raise ConfigError(f"{path} says nothing of {', '.join(lacking)}")
    if strange := [str(key) for key in content if key not in NEEDED + OPTIONAL]:
        known = ", ".join(NEEDED + OPTIONAL)
        raise ConfigError(f"{path}: {strange[0]} is not known; a card holds {known}")
    return Card(_input(content, path), _text(content, "architecture", "", path))


def load_script(file: Path) -> nn.Module:
    """Return the encoder in a TorchScript file. Raises ConfigError where it cannot be had."""
    takes = read_card(file).takes
    _refuse_what_reaches_out(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have another format
            network: nn.Module = torch.jit.load(str(file), "cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # torch has no one class for what it meets in a strange file
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"backbone.weights={file} is no TorchScript file: {reason}") from error
    if next(network.parameters(), None) is None:
        raise ConfigError(
            f"backbone.weights={file} is frozen, so its weights cannot be kept with a run: save it "
            f"without torch.jit.freeze"
        )
    return Encoder(network, takes)


def _refuse_what_reaches_out(file: Path) -> None:
    """Raise ConfigError if a TorchScript file would touch other files; its code can run as soon as
    it is loaded, so the text is read first."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".py")]
            if sum(info.file_size for info in names) > LARGEST_CODE:
                raise ConfigError(f"backbone.weights={file}: more code than any network has")
            texts = [archive.read(info).decode("utf-8") for info in names]
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError, NotImplementedError) as error:
        raise ConfigError(
            f"backbone.weights={file} is no TorchScript file: save it with torch.jit.script or "
            f"torch.jit.trace, or give weights as .safetensors"
        ) from error
    for text in texts:
        if found := REACHES_OUT.search(text):
            raise ConfigError(
                f"backbone.weights={file} is refused: its code calls {found[0].rstrip('( ')}, "
                f"which is no arithmetic"
            )


def _input(content: dict[str, Any], path: Path) -> EncoderInput:
    side = content["image_size"]
    if not isinstance(side, int) or isinstance(side, bool) or not 16 <= side <= 512:
        raise ConfigError(f"{path}: image_size: {side} is no number of pixels from 16 to 512")
    channels = _text(content, "channels", "rgb", path, ("rgb", "bgr"))
    layout = _text(content, "layout", "nchw", path, ("nchw", "nhwc"))
    mean, std = _triple(content, "mean", path), _triple(content, "std", path)
    if min(std) <= 0:
        raise ConfigError(f"{path}: std: {list(std)} must be above 0")
    return EncoderInput(side, mean, std, channels == "bgr", layout == "nhwc", any_size=False)


def _text(
    content: dict[str, Any], key: str, default: str, path: Path, known: tuple[str, ...] = ()
) -> str:
    value = content.get(key, default)
    if not isinstance(value, str) or (known and value not in known):
        expected = " or ".join(known) or "a name"
        raise ConfigError(f"{path}: {key}: {value} is not {expected}")
    return value


def _triple(content: dict[str, Any], key: str, path: Path) -> Triple:
    values = content[key]
    try:
        first, second, third = (float(value) for value in values)
    except (TypeError, ValueError):
        raise ConfigError(f"{path}: {key}: {values} is not three numbers") from None
    return first, second, third
