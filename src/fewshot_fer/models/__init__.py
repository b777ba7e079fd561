"""Encoders (images to embeddings) and methods (embeddings to logits), chosen by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.models.backbones.conv4 import Conv4
from fewshot_fer.models.backbones.from_file import WEIGHTS, encoder_file, load_script, read_card
from fewshot_fer.models.backbones.pretrained import (
    PREFIX,
    build_timm,
    build_torchvision,
    timm_input,
    torchvision_input,
)
from fewshot_fer.models.backbones.resnet12 import ResNet12
from fewshot_fer.models.backbones.weights import load_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError

LogitsFunction = Callable[[Tensor, Tensor], Tensor]
"""(support [E, way, shot, D], query [E, Q, D]) -> logits [E, Q, way]"""
FROM_SCRATCH = ("conv4", "resnet12")
SIDE = 84  # of images for encoders without weights of anybody's


def build_encoder(settings: BackboneConfig, with_weights: bool = True) -> nn.Module:
    """Return the encoder that conf/backbone names, on the CPU.

    Weights that are not loaded come from torch's random state; with_weights=False: none are, as
    others will take their place. Raises ConfigError where weights cannot be had.
    """
    name, weights = settings.name, settings.weights if with_weights else "none"
    if name in FROM_SCRATCH:
        return _own(settings, weights)
    if name == "file":
        return _from_file(settings, with_weights)
    build = build_timm if name.startswith(PREFIX) else build_torchvision
    return build(name, weights)


def with_image_size(settings: BackboneConfig) -> BackboneConfig:
    """Return the settings with the size that comes with the weights, where none is given.

    Raises ConfigError where the given one is another than the weights were made for.
    """
    takes = _input(settings)
    if settings.image_size is None:
        return replace(settings, image_size=SIDE if takes is None else takes.image_size)
    pretrained = takes is not None and (settings.weights != "none" or not takes.any_size)
    if takes is not None and pretrained:
        takes.require(settings.name, settings.image_size, settings.accept_size)
    return settings


def _input(settings: BackboneConfig) -> EncoderInput | None:
    if settings.name in FROM_SCRATCH:
        return None
    if settings.name == "file":
        return read_card(encoder_file(settings.weights)).takes
    known = timm_input if settings.name.startswith(PREFIX) else torchvision_input
    return known(settings.name)


def _own(settings: BackboneConfig, weights: str) -> nn.Module:
    encoder = Conv4(filters=settings.filters) if settings.name == "conv4" else ResNet12()
    if weights == "imagenet":
        raise ConfigError(
            f"backbone.weights=imagenet: nobody offers such weights for {settings.name}; give a "
            f"file, or none"
        )
    if weights != "none":
        load_weights(encoder, Path(weights).expanduser())
    return encoder


def _from_file(settings: BackboneConfig, with_weights: bool) -> nn.Module:
    file = encoder_file(settings.weights, with_weights)
    if file.suffix != WEIGHTS:
        return load_script(file)
    named = read_card(file).architecture
    if named in ("", "file"):
        raise ConfigError(
            f"{file.with_suffix('.yaml')} says nothing of architecture: name the network that the "
            f"weights are of, such as resnet18 or timm/resnet50"
        )
    built = build_encoder(replace(settings, name=named), with_weights)
    return Encoder(built.network if isinstance(built, Encoder) else built, read_card(file).takes)
