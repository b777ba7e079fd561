"""An encoder from a file with a card beside it: face networks, and others that none else knows.

`faces.safetensors` holds weights of a network that the card names. `faces.pt` is TorchScript and
brings its own network, as a program that can run as soon as it is loaded. It is loaded only where
the variable FEWSHOT_FER_TRUST_SCRIPTS=1 says that its author is trusted: no configuration can say
that, as it may come from the same stranger. The card, faces.yaml, says what images must be like:

    image_size: 112
    mean: [0.5, 0.5, 0.5]      # of channels in 0..1, in the order of `channels`
    std: [0.5, 0.5, 0.5]
    channels: rgb              # or bgr
    layout: nchw               # or nhwc
    architecture: resnet18     # for weights: a backbone.name
"""

import math
import os
import re
import reprlib
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from fewshot_fer.models.preprocessing import Encoder, EncoderInput, Triple
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.files import read_yaml_text

NEEDED, OPTIONAL = ("image_size", "mean", "std"), ("channels", "layout", "architecture")
TRUST = "FEWSHOT_FER_TRUST_SCRIPTS"
WEIGHTS = ".safetensors"
LARGEST_CODE = 10_000_000  # bytes of TorchScript's sources; real ones have a few hundred thousand
REACHES_OUT = re.compile(
    r"(?<![\w.])(?:torch|ops\.aten)\.(?:save|from_file|load\w*)\s*\(|__torch__\.torch\.classes|"
    r"(?<![\w.])ops\.(?!aten\.|prim\.|torchvision\.)\w+"
)
"""What TorchScript can do beside arithmetic: files, and operators or classes of other libraries. It
can be hidden from such a search, so that a file without it is not safe for that."""


@dataclass(frozen=True)
class Card:
    """What the file beside an encoder says of it."""

    takes: EncoderInput
    architecture: str  # "" where it is not named


def encoder_file(weights: str, with_weights: bool = True) -> Path:
    """Return the path. Raises ConfigError where it is no file; with_weights=False: of weights alone
    the card is enough."""
    file = Path(weights).expanduser()
    there = file.is_file() or (file.suffix == WEIGHTS and not with_weights)
    if weights in ("none", "imagenet") or not there:
        raise ConfigError(
            f"backbone.weights={weights}: backbone=file takes a safetensors or TorchScript file, "
            f"with its card beside it under the same name and .yaml"
        )
    return file


def read_card(file: Path) -> Card:
    """Return the card of an encoder's file. Raises ConfigError naming the card and the fault."""
    path = file.with_suffix(".yaml")
    try:
        content = yaml.safe_load(read_yaml_text(path))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not there: an encoder's file needs a card that says {', '.join(NEEDED)}"
        ) from None
    except Exception as error:  # YAML has no one class for what it meets in a strange file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path} cannot be read: {reason}") from error
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
    _require_trust(file)
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


def _require_trust(file: Path) -> None:
    if os.environ.get(TRUST) != "1":
        raise ConfigError(
            f"backbone.weights={file} is a program in TorchScript: loading it can run whatever its "
            f"author wrote. Better give its weights as {WEIGHTS}, with architecture: in the card; "
            f"only where you trust the author, set the variable {TRUST}=1"
        )


def _refuse_what_reaches_out(file: Path) -> None:
    """Raise ConfigError if the code of a TorchScript file says that it touches other files. The
    text is read before any of it can run."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".py")]
            if sum(info.file_size for info in names) > LARGEST_CODE:
                raise ConfigError(f"backbone.weights={file}: more code than any network has")
            texts = [archive.read(info).decode("utf-8") for info in names]
    except ConfigError:
        raise
    except Exception as error:  # zipfile has no one class for what it meets in a damaged file
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
        shown = reprlib.repr(side)
        raise ConfigError(f"{path}: image_size: {shown} is no number of pixels from 16 to 512")
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
        raise ConfigError(f"{path}: {key}: {reprlib.repr(value)} is not {expected}")
    return value


def _triple(content: dict[str, Any], key: str, path: Path) -> Triple:
    values = content[key]
    try:
        first, second, third = (float(value) for value in values)
        finite = all(map(math.isfinite, (first, second, third)))
    except (TypeError, ValueError, OverflowError):
        finite = False
    if not finite:
        raise ConfigError(f"{path}: {key}: {reprlib.repr(values)} is not three numbers")
    return first, second, third
