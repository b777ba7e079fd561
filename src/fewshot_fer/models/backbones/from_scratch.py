"""Encoders of the few-shot literature that are trained from scratch: Conv-4 and ResNet-12."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.models.backbones.drop_block import DropBlock
from fewshot_fer.models.backbones.registry import BuildOptions, register_backbone
from fewshot_fer.models.fast import conv4_first_block, conv4_gpu

CHANNELS = (64, 160, 320, 640)


@register_backbone("conv4")
def build_conv4(settings: BackboneConfig, options: BuildOptions) -> nn.Module:
    """Return a Conv-4 with `backbone.filters` in each block."""
    return Conv4(settings.filters, options.fast)


class Conv4(nn.Module):
    """Four times [3x3 convolution, batch norm, ReLU, 2x2 max-pool], then flatten.

    Vinyals et al., "Matching Networks for One Shot Learning", NeurIPS 2016, section 4.1; Snell et
    al., "Prototypical Networks for Few-shot Learning", NeurIPS 2017, section 3. At 64 filters it
    has 113,088 parameters and turns [B, 3, 84, 84] into [B, 1600].

    fast: while training, take the fused blocks of `models.fast` where they apply; they compute the
    same as the plain layers, rounded otherwise.
    """

    def __init__(self, filters: int = 64, fast: bool = True) -> None:
        super().__init__()
        self.filters = filters
        self.fast = fast
        channels = [3, filters, filters, filters, filters]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, padding=1)
            for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for _ in channels[1:])

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, filters * (side // 16) ** 2] of images [B, 3, side, side]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = self._block(images, convolution, norm)
        return images.flatten(start_dim=1)

    def n_features(self, side: int) -> int:
        """Return D of the embeddings of images of `side` pixels, without embedding one."""
        return self.filters * (side // 16) ** 2

    def stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Return what comes before the last block, that block, and what follows it."""
        *before, last = self._plain_blocks()
        return nn.Sequential(*before), last, nn.Flatten()

    def _plain_blocks(self) -> Iterator[nn.Module]:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            yield nn.Sequential(convolution, norm, nn.MaxPool2d(2), nn.ReLU())

    def _block(self, images: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
        if self.fast and self.training:
            is_first = convolution is self.convolutions[0]
            if is_first and conv4_first_block.takes(images, convolution, norm):
                return conv4_first_block.first_block(images, convolution, norm)
            if conv4_gpu.takes(images, convolution, norm):
                return conv4_gpu.gpu_block(images, convolution, norm)
        # ReLU and max-pool commute; ReLU after the pool touches a quarter of the values.
        return F.relu(F.max_pool2d(norm(convolution(images)), 2), inplace=True)


@register_backbone("resnet12")
def build_resnet12(settings: BackboneConfig, _options: BuildOptions) -> nn.Module:
    """Return a ResNet-12 with `backbone.drop_block`."""
    return ResNet12(settings.drop_block)


class ResNet12(nn.Module):
    """Four residual blocks of three 3x3 convolutions, each followed by 2x2 max-pooling, and the
    mean over places: [B, 3, side, side] to [B, 640]. 12.4 million parameters.

    Lee et al., "Meta-Learning with Differentiable Convex Optimization", CVPR 2019, section 4.1.

    drop_block: rate of DropBlock behind the last two blocks, as theirs has it.
    """

    def __init__(self, drop_block: float = 0.0) -> None:
        super().__init__()
        rates = (0.0, 0.0, drop_block, drop_block)
        sizes = zip(pairwise((3, *CHANNELS)), rates, strict=True)
        self.blocks = nn.Sequential(*(Block(*size, rate) for size, rate in sizes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", a=0.1, nonlinearity="leaky_relu"
                )

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, 640] of images [B, 3, side, side], side 16 or more."""
        features: Tensor = self.blocks(images)
        return features.mean(dim=(2, 3))

    def stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Return what comes before the last block, that block, and what follows it."""
        return self.blocks[:-1], self.blocks[-1], mean_of_places()


class Block(nn.Module):
    """Three convolutions with batch norm and leaky ReLU beside a 1x1 one, then 2x2 max-pooling,
    and DropBlock where it has a rate."""

    def __init__(self, before: int, after: int, drop_block: float = 0.0) -> None:
        super().__init__()
        sizes = list(pairwise((before, after, after, after)))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, kernel_size=3, padding=1, bias=False) for a, b in sizes
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _ in sizes)
        self.shortcut = nn.Sequential(
            nn.Conv2d(before, after, kernel_size=1, bias=False), nn.BatchNorm2d(after)
        )
        self.drop = DropBlock(drop_block) if drop_block else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, after, side // 2, side // 2]."""
        shortcut: Tensor = self.shortcut(images)
        for place, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            images = norm(convolution(images))
            if place < len(self.convolutions) - 1:
                images = F.leaky_relu(images, 0.1, inplace=True)
        # The pool before the leaky ReLU: they commute, and it then touches a quarter of the values.
        pooled = F.max_pool2d(torch.add(images, shortcut), 2)
        dropped: Tensor = self.drop(F.leaky_relu(pooled, 0.1, inplace=True))
        return dropped


def mean_of_places() -> nn.Module:
    """Return the layer from maps [B, C, H, W] to their means over places [B, C]."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
