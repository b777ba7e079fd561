"""An encoder from a file of weights with a card beside it: face networks, and others."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from fewshot_fer.config.model_schema import NAMED_WEIGHTS, BackboneConfig
from fewshot_fer.models.backbones.card import Card, read_card
from fewshot_fer.models.backbones.registry import BuildOptions, build_encoder, register_backbone
from fewshot_fer.models.backbones.weights import refuse_script
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError

MSCELEB = "msceleb_resnet18"


def file_card(settings: BackboneConfig, with_weights: bool = True) -> Card:
    """Return the card beside the weights, which need not be there if they are not to be loaded.

    Raises ConfigError, as `read_card` does.
    """
    return read_card(encoder_file(settings.weights, with_weights))


@register_backbone("file", file_card)
def build_from_file(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return the encoder that a card describes, with the weights beside it.

    Raises ConfigError where either cannot be had.
    """
    with_weights = options.weights != "none"
    card = file_card(settings, with_weights)
    named = replace(settings, name=card.architecture)
    built = build_encoder(named, with_weights, options.fast)
    return Encoder(built.network if isinstance(built, Encoder) else built, card.expected)


def msceleb_card(settings: BackboneConfig) -> Card:
    """Return what is known of the ResNet-18 that expression networks such as SCN, DAN and EAC start
    from. Its makers state no licence, and MS-Celeb-1M was withdrawn."""
    expected = EncoderInput(224)
    source = f"resnet18_msceleb.pth: {settings.weights}"
    return Card(expected, MSCELEB, source, "unknown", "MS-Celeb-1M", "faces")


@register_backbone(MSCELEB, msceleb_card)
def build_msceleb(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return torchvision's ResNet-18 with the weights of a file, 512 features; whatever wraps the
    weights and their classifier are left out."""
    if settings.weights in NAMED_WEIGHTS:
        raise ConfigError(f"backbone={MSCELEB} takes a file: backbone.weights=/path/{MSCELEB}.pth")
    return build_encoder(
        replace(settings, name="resnet18"), options.weights != "none", options.fast
    )


def encoder_file(weights: str, with_weights: bool = True) -> Path:
    """Return the path of a file of weights. Raises ConfigError where it is none; without weights
    the card beside it is enough."""
    file = Path(weights).expanduser()
    if weights in NAMED_WEIGHTS or (with_weights and not file.is_file()):
        raise ConfigError(
            f"backbone.weights={weights}: give a file, .safetensors or .pth for backbone=file, "
            f".onnx for backbone=onnx, with its card beside it under the same name and .yaml"
        )
    refuse_script(file)
    return file
