"""An encoder in stages: what comes before its last block, that block, and what follows it.

Methods on local features compare the maps behind the last block; fine-tuning changes that block.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from fewshot_fer.models.preprocessing import Encoder
from fewshot_fer.system.errors import ConfigError

Parts = tuple[nn.Module, nn.Module | None, nn.Module]  # trunk, block and tail
CLOSE = 1e-3  # relative difference of the stages in a row from the encoder itself


@dataclass(frozen=True)
class Stages:
    """An encoder whose embeddings are tail(block(trunk(images))), over the same weights.

    trunk_shape [C, H, W]: of what the block takes; shape [C, H, W]: of the maps that it gives;
    block: None where the network does not say which block is its last.
    """

    trunk: nn.Module
    block: nn.Module | None
    tail: nn.Module
    trunk_shape: tuple[int, int, int]
    shape: tuple[int, int, int]

    def maps(self) -> nn.Module:
        """Return the encoder of flattened maps: images to [B, C * H * W]."""
        parts = [self.trunk] if self.block is None else [self.trunk, self.block]
        return nn.Sequential(*parts, nn.Flatten())

    def before_block(self) -> nn.Module:
        """Return the encoder of what the last block takes, flattened."""
        return nn.Sequential(self.trunk, nn.Flatten())


def split(encoder: nn.Module, image_size: int) -> Stages | None:
    """Return the stages of an encoder for images of so many pixels, None where it has no maps.

    An encoder of the package, or of a user, says them itself with a method `stages`, which returns
    trunk, block (or None) and tail. torchvision's and timm's are split where they pool, and tried
    on an image: the stages must give the encoder's own embedding.
    """
    network = encoder.network if isinstance(encoder, Encoder) else encoder
    found = _parts(network)
    if found is None:
        return None
    trunk, block, tail = found
    if isinstance(encoder, Encoder):
        trunk = nn.Sequential(encoder.convert, trunk)
    return _tried(encoder, trunk, block, tail, image_size)


def require_stages(encoder: nn.Module, image_size: int, method: str, block: bool = False) -> Stages:
    """Return the stages of an encoder. Raises ConfigError where a method has no use for it.

    block: whether the method needs to know the last block.
    """
    found = split(encoder, image_size)
    if found is None or (block and found.block is None):
        what = "whose last block is known" if block else "with feature maps"
        raise ConfigError(
            f"method={method} needs an encoder {what}, and this one gives vectors alone: take "
            f"conv4, resnet12, face_expression, or one of torchvision's convolutional networks"
        )
    return found


def maps_of(encoder: nn.Module, side: int, method: str) -> nn.Module:
    """Return the encoder of flattened maps, itself where its embeddings are those.

    Raises ConfigError, as `require_stages` does.
    """
    stages = require_stages(encoder, side, method)
    return encoder if isinstance(stages.tail, nn.Flatten) else stages.maps()


def _parts(network: nn.Module) -> Parts | None:
    if callable(stages := getattr(network, "stages", None)) and not is_timm(network):
        return cast(Parts, stages())
    if is_timm(network):
        return _TimmMaps(network), None, _TimmHead(network)
    children = dict(network.named_children())
    if {"layer1", "layer4", "avgpool", "fc"} <= children.keys():  # ResNets and their kin
        names = list(children)
        before = nn.Sequential(*(children[name] for name in names[: names.index("layer4")]))
        return before, children["layer4"], _ending(children, names[names.index("avgpool") :])
    features = children.get("features")
    if isinstance(features, nn.Sequential):  # MobileNet, EfficientNet, ConvNeXt, VGG
        pooled = [] if "avgpool" in children else [nn.AdaptiveAvgPool2d(1)]
        ending = [name for name in children if name in ("avgpool", "classifier")]
        return features[:-1], features[-1], _ending(children, ending, *pooled)
    return None


def _ending(children: dict[str, nn.Module], names: list[str], *before: nn.Module) -> nn.Module:
    """Return the layers behind the maps; what ConvNeXt calls classifier flattens by itself."""
    layers = [*before, *(children[name] for name in names)]
    takes_maps = any(isinstance(part, nn.Flatten) for each in layers for part in each.modules())
    return nn.Sequential(*(layers if takes_maps else [layers[0], nn.Flatten(), *layers[1:]]))


def is_timm(network: nn.Module) -> bool:
    """Return whether a network is one of timm's."""
    return callable(getattr(network, "forward_features", None))


class _TimmMaps(nn.Module):
    """What a network of timm's gives before it pools."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = cast(Any, self.network).forward_features(images)
        return maps


class _TimmHead(_TimmMaps):
    """What a network of timm's makes of its maps."""

    def forward(self, maps: Tensor) -> Tensor:
        features: Tensor = cast(Any, self.network).forward_head(maps)
        return features


def _tried(
    encoder: nn.Module, trunk: nn.Module, block: nn.Module | None, tail: nn.Module, side: int
) -> Stages | None:
    """Return the stages, None where they do not give what the encoder gives, or no maps."""
    parameter = next(encoder.parameters())
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()  # an image that is tried must not count in batch norms' statistics
    parts = nn.ModuleList([trunk, tail] if block is None else [trunk, block, tail]).eval()
    try:
        with torch.no_grad():
            blank = torch.linspace(-1, 1, 3 * side * side).view(1, 3, side, side).to(parameter)
            taken = trunk(blank)
            maps = taken if block is None else block(taken)
            expected, given = encoder(blank), parts[-1](maps)
    except (RuntimeError, TypeError, ValueError):  # another network than it looked like
        return None
    finally:
        for module, training in modes.items():
            module.training = training
    if maps.ndim != 4 or taken.ndim != 4 or given.shape != expected.shape:
        return None
    if not torch.allclose(given, expected, atol=CLOSE * float(expected.abs().max())):
        return None
    return Stages(trunk, block, tail, tuple(taken.shape[1:]), tuple(maps.shape[1:]))
