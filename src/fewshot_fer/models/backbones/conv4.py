"""The four-block convolutional encoder of the few-shot literature.

How many features an encoder gives, and in which form.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.fast import conv4_gpu
from fewshot_fer.models.fast.conv4_first_block import first_block, takes


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
            if self.training and conv4_gpu.takes(images, convolution, norm):
                images = conv4_gpu.gpu_block(images, convolution, norm)
                continue
            made = convolution(images)
            # ReLU and max-pool commute; ReLU after the pool touches a quarter of the values.
            images = F.relu(F.max_pool2d(norm(made), 2), inplace=True)
        return images.flatten(start_dim=1)

    def n_features(self, side: int) -> int:
        """Return D of the embeddings of images of `side` pixels, without making one."""
        return self.filters * (side // 16) ** 2


def count_features(encoder: nn.Module, image_size: int) -> int:
    """Return D of the embeddings [B, D] that images of `image_size` pixels a side get."""
    if isinstance(encoder, Conv4):  # a first convolution takes torch a tenth of a second
        return encoder.n_features(image_size)
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
