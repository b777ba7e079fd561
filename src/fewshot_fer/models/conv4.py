"""The four-block convolutional encoder of the few-shot literature."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models import gpu_block
from fewshot_fer.models.convolution import convolve, is_faster
from fewshot_fer.models.first_block import first_block, takes


class Conv4(nn.Module):
    """Four times [3x3 convolution, batch norm, ReLU, 2x2 max-pool], then flatten.

    Vinyals et al., "Matching Networks for One Shot Learning", NeurIPS 2016, section 4.1; Snell et
    al., "Prototypical Networks for Few-shot Learning", NeurIPS 2017, section 3. At 64 filters it
    has 113,088 parameters and turns [B, 3, 84, 84] into [B, 1600].
    """

    def __init__(self, filters: int = 64) -> None:
        super().__init__()
        self.filters = filters
        channels = [3, filters, filters, filters, filters]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, padding=1)
            for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for _ in channels[1:])

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, filters * (side // 16) ** 2] of images [B, 3, side, side]."""
        blocks = list(zip(self.convolutions, self.norms, strict=True))
        if self.training and takes(images, *blocks[0]):
            images = first_block(images, *blocks.pop(0))
        for convolution, norm in blocks:
            if self.training and gpu_block.takes(images, convolution, norm):
                images = gpu_block.gpu_block(images, convolution, norm)
                continue
            own = self.training and is_faster(images, convolution)
            made = convolve(images, convolution) if own else convolution(images)
            # ReLU and max-pool commute; ReLU after the pool touches a quarter of the values.
            images = F.relu(F.max_pool2d(norm(made), 2), inplace=True)
        return images.flatten(start_dim=1)

    def n_features(self, side: int) -> int:
        """Return D of the embeddings of images of `side` pixels, without making one."""
        return self.filters * (side // 16) ** 2
