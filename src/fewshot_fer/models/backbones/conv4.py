"""Conv-4, the four-block convolutional encoder of the few-shot literature."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.models.backbones.registry import BuildOptions, register_backbone
from fewshot_fer.models.fast import conv4_first_block, conv4_gpu


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

    def _block(self, images: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
        if self.fast and self.training:
            is_first = convolution is self.convolutions[0]
            if is_first and conv4_first_block.takes(images, convolution, norm):
                return conv4_first_block.first_block(images, convolution, norm)
            if conv4_gpu.takes(images, convolution, norm):
                return conv4_gpu.gpu_block(images, convolution, norm)
        # ReLU and max-pool commute; ReLU after the pool touches a quarter of the values.
        return F.relu(F.max_pool2d(norm(convolution(images)), 2), inplace=True)
