"""A 3x3 convolution whose weights learn through matrix products, for training on a CPU.

On a processor with AVX2 the convolution library takes the gradient of the weights at less than
half the rate of its forward. That gradient is a matrix product: all patches of 9 pixels,
transposed, times the gradients of what each patch made. Of all images the patches would fill nine
times the input; of two at a time they stay in the cache.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK_BYTES = 9 * 1024**2  # of patches at a time: two images of 64 maps of 42x42
BACKWARD = torch.ops.aten.convolution_backward


def is_faster(images: Tensor, convolution: nn.Module) -> bool:
    """Tell whether `convolve` may stand for a 3x3 convolution of stride and padding 1, and is worth
    it: while training on a CPU with AVX2 and no more, for which alone this was measured."""
    return (
        torch.is_grad_enabled()
        and images.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and type(convolution) is nn.Conv2d
    )


def convolve(images: Tensor, convolution: nn.Module) -> Tensor:
    """Return convolution(images) [B, F, H, W] of images [B, C, H, W], with gradients equal to its
    own up to rounding; convolution: 3x3 with stride 1 and padding 1."""
    assert isinstance(convolution, nn.Conv2d)
    weight, bias = convolution.weight, convolution.bias
    return cast(Tensor, _Convolution.apply(images, weight, bias))


class _Convolution(torch.autograd.Function):
    """images [B, C, H, W], weight [F, C, 3, 3], bias [F] or None -> [B, F, H, W]."""

    @staticmethod
    def forward(context: Any, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN401
        context.save_for_backward(images, weight)
        context.has_bias = bias is not None
        return F.conv2d(images, weight, bias, padding=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        images, weight = context.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        geometry: list[Any] = [(1, 1), (1, 1), (1, 1), False, (0, 0), 1]
        wanted = [context.needs_input_grad[0], False, False]
        by_image = BACKWARD(gradient, images, weight, None, *geometry, wanted)[0]
        by_weight = by_bias = None
        if context.needs_input_grad[1]:
            by_weight = weight_gradient(images, gradient)
        if context.has_bias and context.needs_input_grad[2]:
            by_bias = gradient.sum(dim=(0, 2, 3))
        return by_image, by_weight, by_bias


def weight_gradient(images: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient [F, C, 3, 3] of the weights: over all pixels, their patches times the
    gradient there.

    images [B, C, H, W], gradient [B, F, H, W] in channels_last memory.
    """
    count, channels, height, width = images.shape
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
    by_image, by_row, by_pixel, _ = padded.stride()
    shape = (count, height, width, 3, 3 * channels)  # three pixels of a row are next to each other
    patches = padded.as_strided(shape, (by_image, by_row, by_pixel, by_row, 1))
    rows = gradient.permute(0, 2, 3, 1).reshape(count, height * width, -1)
    size = max(1, CHUNK_BYTES // (height * width * 9 * channels * images.element_size()))
    room = images.new_empty(min(size, count), height, width, 3, 3 * channels)
    summed = images.new_zeros(9 * channels, rows.shape[2])
    for start in range(0, count, size):
        own = patches[start : start + size]
        written = room[: len(own)].copy_(own).view(-1, 9 * channels)
        summed.addmm_(written.T, rows[start : start + size].flatten(0, 1))
    return summed.view(3, 3, channels, -1).permute(3, 2, 0, 1).contiguous()
