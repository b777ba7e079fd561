"""An encoder from a file of weights with a card beside it: face networks, and others."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.models.backbones.card import Card, read_card
from fewshot_fer.models.backbones.registry import BuildOptions, build_encoder, register_backbone
from fewshot_fer.models.backbones.weights import refuse_script
from fewshot_fer.models.preprocessing import Encoder
from fewshot_fer.system.errors import ConfigError


def file_card(settings: BackboneConfig) -> Card:
    """Return the card beside the weights. Raises ConfigError, as `read_card` does."""
    return read_card(encoder_file(settings.weights))


@register_backbone("file", file_card)
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
    if weights in ("none", "imagenet", "packaged") or (with_weights and not file.is_file()):
        raise ConfigError(
            f"backbone.weights={weights}: backbone=file takes a file of weights, .safetensors or "
            f".pth, with its card beside it under the same name and .yaml"
        )
    refuse_script(file)
    return file
