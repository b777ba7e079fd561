"""An encoder from a file of weights with a card beside it: face networks, and others.

`faces.safetensors`, or `faces.pth`, holds the weights of a network that the card, `faces.yaml`,
names; the card says what images must be like:

    image_size: 112
    mean: [0.5, 0.5, 0.5]      # of channels in 0..1, in the order of `channels`
    std: [0.5, 0.5, 0.5]
    architecture: resnet18     # a backbone.name
    channels: rgb              # or bgr
    layout: nchw               # or nhwc
"""

import math
import reprlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.models.backbones.registry import BuildOptions, build_encoder, register_backbone
from fewshot_fer.models.backbones.weights import refuse_script
from fewshot_fer.models.preprocessing import Encoder, EncoderInput, Triple
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.files import read_yaml_text

NEEDED, OPTIONAL = ("image_size", "mean", "std", "architecture"), ("channels", "layout")


@dataclass(frozen=True)
class Card:
    """What the file beside an encoder says of it."""

    expected: EncoderInput
    architecture: str


@register_backbone("file", lambda settings: read_card(encoder_file(settings.weights)).expected)
def build_from_file(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return the encoder that a card describes, with the weights beside it.

    Raises ConfigError where either cannot be had.
    """
    with_weights = options.weights != "none"
    card = read_card(encoder_file(settings.weights, with_weights))
    named = replace(settings, name=card.architecture)
    built = build_encoder(named, with_weights, options.fast)
    return Encoder(built.network if isinstance(built, Encoder) else built, card.expected)


def encoder_file(weights: str, with_weights: bool = True) -> Path:
    """Return the path of a file of weights. Raises ConfigError where it is none; without weights
    the card beside it is enough."""
    file = Path(weights).expanduser()
    if weights in ("none", "imagenet") or (with_weights and not file.is_file()):
        raise ConfigError(
            f"backbone.weights={weights}: backbone=file takes a file of weights, .safetensors or "
            f".pth, with its card beside it under the same name and .yaml"
        )
    refuse_script(file)
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
    architecture = _text(content, "architecture", "", path)
    if architecture in ("", "file"):
        raise ConfigError(
            f"{path}: architecture: name the network that the weights are of, such as resnet18 or "
            f"timm/resnet50"
        )
    return Card(_input(content, path), architecture)


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
