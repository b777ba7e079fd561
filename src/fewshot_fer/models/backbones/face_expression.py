"""face_expression: a network of 330 kB that was trained on faces with seven basic expressions.

It is face-api.js' FaceExpressionNet (Mühler 2018, kept up by Mandic; MIT licence). The package
holds its weights as uint8, see scripts/convert_face_expression.py and assets/.
"""

from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models.backbones.card import PACKAGED, Card, card_of_package
from fewshot_fer.models.backbones.registry import BuildOptions, register_backbone
from fewshot_fer.models.backbones.weights import load_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput

ASSET = Path(__file__).parent / "assets" / "face_expression.safetensors"
CLASSES = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
WIDTHS = (32, 64, 128, 256)  # maps of the four blocks; the last are the features
CARD = Card(
    expected=EncoderInput(112, (122.782 / 255, 117.001 / 255, 104.298 / 255), (1.0, 1.0, 1.0)),
    architecture="face_expression",
    source="npm package @vladmandic/face-api 1.7.15, face_expression_model",
    licence="MIT",
    trained_on="unnamed public data sets and pictures from the web",
    classes_known=CLASSES,
    pretrained="expressions",
)


class FaceExpression(nn.Module):
    """Four blocks of four convolutions, and the mean over the last maps.

    321,888 parameters, no batch norm; the layer of its seven classes is not in it.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *WIDTHS)
        self.blocks = nn.Sequential(
            *(Block(a, b, full=a == 3) for a, b in zip(widths, WIDTHS, strict=False))
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, 256] of images [B, 3, side, side]: RGB in 0..1 minus the mean."""
        maps: Tensor = self.blocks(images)
        return maps.mean(dim=(2, 3))

    def stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Return what comes before the last block, that block, and what follows it."""
        mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return self.blocks[:-1], self.blocks[-1], mean


class Block(nn.Module):
    """Halves the side, then adds what three more convolutions make of the sum so far."""

    def __init__(self, n_inputs: int, n_maps: int, full: bool) -> None:
        super().__init__()
        first = nn.Conv2d(n_inputs, n_maps, 3, stride=2) if full else None
        self.conv0 = first or Separable(n_inputs, n_maps, stride=2)
        self.conv1 = Separable(n_maps, n_maps)
        self.conv2 = Separable(n_maps, n_maps)
        self.conv3 = Separable(n_maps, n_maps)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps [B, n_maps, ceil(H / 2), ceil(W / 2)] of maps [B, n_inputs, H, W]."""
        total = F.relu(self.conv0(_pad_same(maps)))
        total = total + self.conv1(total)
        total = total + self.conv2(F.relu(total))
        return F.relu(total + self.conv3(F.relu(total)))


class Separable(nn.Module):
    """A depthwise convolution of 3x3 and one of 1x1, with one bias behind both."""

    def __init__(self, n_inputs: int, n_maps: int, stride: int = 1) -> None:
        super().__init__()
        padding = 1 if stride == 1 else 0  # that of a stride is not the same on both sides
        self.depthwise = nn.Conv2d(
            n_inputs, n_inputs, 3, stride, padding, groups=n_inputs, bias=False
        )
        self.pointwise = nn.Conv2d(n_inputs, n_maps, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps [B, n_maps, H', W'] of maps [B, n_inputs, H, W]."""
        made: Tensor = self.pointwise(self.depthwise(maps))
        return made


def _pad_same(maps: Tensor) -> Tensor:
    """Return maps with zeros around them as TensorFlow's SAME pads for 3x3 with stride 2: of an
    even side on the right and below only, of an odd one on both sides."""
    height, width = maps.shape[2] % 2, maps.shape[3] % 2
    return F.pad(maps, (width, 1, height, 1))


@register_backbone("face_expression", lambda settings: card_of_package(CARD, settings.weights))
def build_face_expression(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return the network, with the weights of the package or of a file; 256 features."""
    network = FaceExpression()
    if options.weights == PACKAGED:
        network.load_state_dict(
            {name: value for name, value in packaged_weights().items() if "head." not in name}
        )
    elif options.weights != "none":
        load_weights(network, Path(options.weights).expanduser(), head="head")
    return Encoder(network, CARD.expected)


def head_of(settings: BackboneConfig) -> tuple[nn.Linear | None, tuple[str, ...]]:
    """Return the layer of the packaged network's own classes and their names, None for others."""
    if settings.name != "face_expression" or settings.weights != PACKAGED:
        return None, ()
    own = packaged_weights()
    head = nn.Linear(own["head.weight"].shape[1], len(CLASSES)).requires_grad_(False)
    head.load_state_dict({name: own[f"head.{name}"] for name in ("weight", "bias")})
    return head, CLASSES


@lru_cache(maxsize=1)
def packaged_weights() -> dict[str, Tensor]:
    """Return the weights in the package as float32: those of `FaceExpression`, and head.weight
    [7, 256] and head.bias [7] of the logits of CLASSES."""
    stored = load_file(ASSET)
    return {
        name: _dequantised(value, stored[f"{name}.range"]) if value.dtype == torch.uint8 else value
        for name, value in stored.items()
        if not name.endswith(".range")
    }


def _dequantised(levels: Tensor, scale_and_least: Tensor) -> Tensor:
    """Return levels * scale + least, computed in float64 as the source does."""
    return (levels.double() * scale_and_least[0] + scale_and_least[1]).float()
