"""Registry of encoders: built by name, with the card of their weights.

@register_backbone("conv4")
def build_conv4(settings: BackboneConfig, options: BuildOptions) -> nn.Module: ...
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from fewshot_fer.config.model_schema import NAMED_WEIGHTS, BackboneConfig
from fewshot_fer.models.backbones.card import Card, card_of_file
from fewshot_fer.models.backbones.drop_block import DropBlock
from fewshot_fer.models.backbones.weights import load_weights
from fewshot_fer.models.preprocessing import EncoderInput
from fewshot_fer.system.errors import ConfigError

SIDE = 84  # pixels, of images for an encoder that comes without weights


@dataclass(frozen=True)
class BuildOptions:
    """weights: what to load: none, imagenet, packaged or a file; none where a checkpoint's are
    loaded next; fast: take the hand-made fast paths of `models.fast` where they apply."""

    weights: str
    fast: bool


Build = Callable[[BackboneConfig, BuildOptions], nn.Module]
"""Returns an encoder on the CPU, from images [B, 3, side, side] to embeddings [B, D]."""
CardOf = Callable[[BackboneConfig], Card]
_BACKBONES: dict[str, tuple[Build, CardOf | None]] = {}


def register_backbone(name: str, card_of: CardOf | None = None) -> Callable[[Build], Build]:
    """Return a decorator that registers the function which builds a family of encoders.

    name: of `backbone.name`; with a `*` at its end, all that begin so and are not registered by a
    longer one. card_of: what is known of a network's weights, for a family with weights of its own,
    which its function loads. Without it, `build_encoder` loads a file of weights into the encoder.
    """

    def register(build: Build) -> Build:
        _BACKBONES[name] = build, card_of
        return build

    return register


def backbone_names() -> list[str]:
    """Return the names that are registered, without those of families."""
    return [name for name in _BACKBONES if not name.endswith("*")]


def build_encoder(
    settings: BackboneConfig, with_weights: bool = True, fast: bool = True
) -> nn.Module:
    """Return the encoder that the settings name, on the CPU.

    Weights that are not loaded come from torch's random state; fast: as in BuildOptions. Raises
    ConfigError for an unknown name, where weights cannot be had, and for `backbone.drop_block` of
    an encoder that has no such layer.
    """
    build, card_of = _find(settings.name)
    weights = settings.weights if with_weights else "none"
    encoder = build(settings, BuildOptions(weights, fast))
    if settings.drop_block and not any(isinstance(m, DropBlock) for m in encoder.modules()):
        raise ConfigError(
            f"backbone.drop_block={settings.drop_block:g} is of resnet12, and {settings.name} has "
            f"no such layer: leave it out"
        )
    if card_of is not None or weights == "none":
        return encoder
    if weights in NAMED_WEIGHTS:
        raise ConfigError(
            f"backbone.weights={weights}: nobody offers such weights for {settings.name}; give a "
            f"file, or none"
        )
    load_weights(encoder, Path(weights).expanduser())
    return encoder


def with_image_size(settings: BackboneConfig) -> BackboneConfig:
    """Return the settings with the size that comes with the weights, where none is given.

    Raises ConfigError where the given one is another than the weights were made for.
    """
    _, card_of = _find(settings.name)
    expected = None if card_of is None else card_of(settings).expected
    if settings.image_size is None:
        return replace(settings, image_size=SIDE if expected is None else expected.image_size)
    if expected is not None and (settings.weights != "none" or not expected.any_size):
        expected.require(settings.name, settings.image_size, settings.accept_size)
    return settings


def encoder_card(settings: BackboneConfig) -> Card:
    """Return the card of the weights that the settings name. Raises ConfigError, as building does.

    It is that of an encoder from scratch where they name none.
    """
    _, card_of = _find(settings.name)
    if settings.weights != "none" and card_of is not None:
        return card_of(settings)
    expected = EncoderInput(settings.image_size or SIDE)
    if settings.weights == "none":
        return Card(expected, settings.name)
    return card_of_file(expected, settings.name, settings.weights)


def count_features(encoder: nn.Module, image_size: int) -> int:
    """Return D of the embeddings [B, D] of images of `image_size` pixels a side.

    An encoder may have a method `n_features(image_size)`; else a blank image is embedded.
    """
    if callable(known := getattr(encoder, "n_features", None)):
        return int(known(image_size))
    parameter = next(encoder.parameters())
    was_training = encoder.training
    encoder.eval()  # one blank image must not count in the batch norms' statistics
    with torch.no_grad():
        blank = torch.zeros(1, 3, image_size, image_size).to(parameter)
        features = int(encoder(blank).shape[1])
    encoder.train(was_training)
    return features


def count_channels(encoder: nn.Module, n_features: int) -> int:
    """Return the channels of the maps that embeddings [D] are the flattened form of: as many as
    its last convolution has, where D is a multiple; else D, maps of one pixel."""
    convolutions = [each for each in encoder.modules() if isinstance(each, nn.Conv2d)]
    last = convolutions[-1].out_channels if convolutions else n_features
    side = round((n_features // last) ** 0.5) if n_features % last == 0 else 0
    return last if last * side * side == n_features else n_features


def _find(name: str) -> tuple[Build, CardOf | None]:
    """Return what is registered for a name, or for the family with the longest beginning of it."""
    if name in _BACKBONES:
        return _BACKBONES[name]
    families = [key for key in _BACKBONES if key.endswith("*") and name.startswith(key[:-1])]
    if not families:
        raise ConfigError(f"backbone.name={name} is not known: {', '.join(_BACKBONES)} are")
    return _BACKBONES[max(families, key=len)]
