"""Conv-4 as it is evaluated on a CPU: norms folded, outputs pooled while they are in the cache.

A convolution makes four times what its pool leaves, and the first block's fit no cache for more
than a few images. So they are made for some at a time and pooled at once, straight into the input
of the next block; a row that no pool takes (of 21) is not made at all. Where a block has many rows
it goes six of them at a time, see `winograd`.
"""

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from fewshot_fer.models.backbones.conv4 import Conv4
from fewshot_fer.models.fast.compiled_rows import compiled_rows_for
from fewshot_fer.models.fast.winograd import RowwiseConvolution, rows_needed

CHUNK_BYTES = 8 * 1024**2  # of outputs before the pool at a time: four images of 84x84
LEAST_ROWS, LEAST_MAPS = 32, 32  # of outputs, for six rows at a time to be faster
LEAST_COMPILED_ROWS = 16  # the same where their sums are compiled


class FoldedConv4(nn.Module):
    """A copy of a Conv4 in eval mode: the same embeddings up to rounding."""

    def __init__(self, encoder: Conv4) -> None:
        super().__init__()
        first, *others = zip(encoder.convolutions, encoder.norms, strict=True)
        self.first = _folded(*first)
        self.others = [_Block(*_folded(*layers)) for layers in others]

    @staticmethod
    def takes(encoder: nn.Module) -> TypeGuard[Conv4]:
        """Tell whether it may stand for an encoder and is faster: for a Conv4 in float32 on a CPU
        with AVX2 and no more, for which alone this was measured."""
        if type(encoder) is not Conv4:
            return False
        weight = next(encoder.parameters())
        capability = torch.backends.cpu.get_cpu_capability()
        return (weight.device.type, weight.dtype, capability) == ("cpu", torch.float32, "AVX2")

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, filters * (side // 16) ** 2] of images [B, 3, side, side]."""
        if torch.compiler.is_compiling():  # an export would hold the example's number of chunks
            return self._in_one_piece(images)
        count, _, height, width = images.shape
        given, fill = images.permute(0, 2, 3, 1), self._fill_first
        for block in self.others:
            height, width = height // 2, width // 2
            room = images.new_empty((count, block.rows(height), width, block.weight.shape[1]))
            room[:, 0].zero_()
            room[:, height + 1 :].zero_()
            fill(given, room[:, 1 : height + 1])
            given, fill = room, block.fill
        pooled = images.new_empty((count, height // 2, width // 2, len(self.first[1])))
        fill(given, pooled)
        return pooled.permute(0, 3, 1, 2).flatten(start_dim=1)

    def _in_one_piece(self, images: Tensor) -> Tensor:
        for weight, bias in (self.first, *((each.weight, each.bias) for each in self.others)):
            images = F.relu(F.max_pool2d(F.conv2d(images, weight, bias, padding=1), 2))
        return images.flatten(start_dim=1)

    def _fill_first(self, images: Tensor, pooled: Tensor) -> None:
        _convolve_and_pool(images, *self.first, pooled, rows_of_zeros=1)


class _Block:
    """relu(max_pool(convolution)) of images [B, H, W, C] between rows of zeros.

    weight [F, C, 3, 3], bias [F]: of a 3x3 convolution with stride and padding 1.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias
        self.rowwise = RowwiseConvolution(weight, bias)

    def rows(self, height: int) -> int:
        """Return how many rows `fill` takes: one of zeros, the image's, others of zeros."""
        pooled = height // 2
        return rows_needed(pooled) if self._is_rowwise(pooled) else 2 * pooled + 2

    def fill(self, images: Tensor, pooled: Tensor) -> None:
        """Fill pooled [B, h, w, F] from images [B, rows(H), W, C]."""
        if self._is_rowwise(pooled.shape[1]):
            self.rowwise.fill(images, pooled)
        else:
            _convolve_and_pool(images, self.weight, self.bias, pooled, rows_of_zeros=0)

    def _is_rowwise(self, pooled: int) -> bool:
        least = LEAST_ROWS if compiled_rows_for(self.weight) is None else LEAST_COMPILED_ROWS
        return 2 * pooled >= least and min(self.weight.shape[:2]) >= LEAST_MAPS


def _convolve_and_pool(
    images: Tensor, weight: Tensor, bias: Tensor, pooled: Tensor, rows_of_zeros: int
) -> None:
    """Fill pooled [B, h, w, F] with relu(max_pool(convolution(images))), images [B, H, W, C], some
    images at a time; columns of zeros are added to both sides, rows as given."""
    height, width = pooled.shape[1:3]
    bytes_each = 4 * height * width * len(bias) * images.element_size()
    size = max(1, CHUNK_BYTES // bytes_each)
    compiled = compiled_rows_for(images)
    for some, room in zip(torch.split(images, size), torch.split(pooled, size), strict=True):
        given = some.permute(0, 3, 1, 2)
        made = F.conv2d(given, weight, bias, padding=(rows_of_zeros, 1)).permute(0, 2, 3, 1)
        if compiled is not None:
            compiled.pool(made.contiguous(), room)
            continue
        rows = torch.maximum(made[:, 0 : 2 * height : 2], made[:, 1 : 2 * height : 2])
        torch.maximum(rows[:, :, 0 : 2 * width : 2], rows[:, :, 1 : 2 * width : 2], out=room)
        room.clamp_min_(0)


def _folded(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that does what both do in eval mode."""
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        weight, bias = fuse_conv_bn_weights(
            convolution.weight.double(),
            None if convolution.bias is None else convolution.bias.double(),
            norm.running_mean.double(),
            norm.running_var.double(),
            norm.eps,
            norm.weight.double(),
            norm.bias.double(),
        )
    made = weight.detach().to(convolution.weight), bias.detach().to(convolution.weight)
    return made[0].contiguous(memory_format=torch.channels_last), made[1]
