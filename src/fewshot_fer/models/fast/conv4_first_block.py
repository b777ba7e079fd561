"""The first block of Conv-4 as one fused operation, for training on a CPU.

The outputs of its convolution, of an 84x84 batch of 30, fill 54 MB, which batch norm, max-pool and
their gradients would each read and write anew: almost half of a step, for 4 % of its arithmetic.
Three facts avoid that:

- A convolution's outputs are linear in the patches of 27 pixels, so their mean and variance over
  the batch follow from the mean and covariance [27, 27] of the patches, before any is computed.
- Batch norm is then a fixed scale and shift, part of the convolution. Where the scale is positive
  it commutes with max-pool; a negative one is made positive by turning the filter around.
- The gradient behind max-pool is sparse and reaches only the weights. What batch norm adds to it
  (Ioffe and Szegedy, ICML 2015, section 3) is linear in the patches too, so it needs the same
  covariance and not the outputs.

So outputs are made a few images at a time, pooled while they are in the cache, and forgotten.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK_BYTES = 4 * 1024**2  # of convolution outputs at a time: what stays in a core's share of cache
POOL: list[list[int]] = [[2, 2], [2, 2], [0, 0], [1, 1]]  # kernel, stride, padding, dilation


def takes(images: Tensor, convolution: nn.Module, norm: nn.Module) -> bool:
    """Tell whether `first_block` can replace convolution, norm, ReLU and max-pool.

    That is while training on a CPU, with a plain batch norm, and no gradient to the images.
    """
    return (
        torch.is_grad_enabled()
        and images.device.type == "cpu"
        and not images.requires_grad
        and not torch.is_autocast_enabled("cpu")
        and are_plain(convolution, norm)
    )


def are_plain(convolution: nn.Module, norm: nn.Module) -> bool:
    """Tell whether the two do what torch's own layers do, and the norm moves running statistics by
    its momentum."""
    return (
        type(convolution) is nn.Conv2d
        and type(norm) is nn.BatchNorm2d
        and norm.momentum is not None
        and norm.affine
        and norm.training
        and norm.track_running_stats
    )


def first_block(images: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
    """Return relu(max_pool(norm(convolution(images)))) [B, filters, H // 2, W // 2] in training
    mode, images [B, C, H, W]; the running statistics are updated as torch updates them.

    convolution: nn.Conv2d, 3x3 with padding 1; norm: nn.BatchNorm2d. The gradient of the former's
    bias is zero: batch norm takes it out.
    """
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    weight, bias = convolution.weight, convolution.bias
    learnt = (weight, bias, norm.weight, norm.bias)
    pooled, mean, variance = _FirstBlock.apply(images, *learnt, norm.eps)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    with torch.no_grad():
        count = images[:, 0].numel()
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean if bias is None else mean + bias, norm.momentum)
        norm.running_var.lerp_(variance * count / max(1, count - 1), norm.momentum)
    return cast(Tensor, pooled)


class _FirstBlock(torch.autograd.Function):
    """images, weight [F, C, 3, 3], bias [F], scale [F], shift [F], epsilon -> pooled, mean [F],
    variance. The bias is there for its gradient of zero, without which nothing would decay it."""

    @staticmethod
    def forward(
        context: Any,  # noqa: ANN401
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        scale: Tensor,
        shift: Tensor,
        epsilon: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        middle = images.mean(dim=(0, 2, 3))  # taken off, so that squares lose few digits
        patches = _patches(images, middle)
        sign = torch.where(scale < 0, -1.0, 1.0).to(scale)
        filters = weight.permute(2, 3, 1, 0).reshape(patches.shape[1], -1) * sign
        centre, covariance = _moments(patches)
        mean = centre @ filters
        variance = ((covariance @ filters) * filters).sum(dim=0).clamp_min(0)
        steepness = torch.rsqrt(variance + epsilon)
        factor = scale * sign * steepness
        pooled, places = _pooled(patches, filters * factor, shift - mean * factor, images.shape)
        context.save_for_backward(
            patches, pooled, places, filters, sign, centre, covariance, mean, steepness, factor
        )
        context.shape = images.shape
        context.has_bias = bias is not None
        own = weight.sum(dim=(2, 3)) @ middle
        context.mark_non_differentiable(mean, variance)
        return pooled, mean * sign + own, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        patches, pooled, places, *small = context.saved_tensors
        filters, sign, centre, covariance, mean, steepness, factor = small
        gradient = torch.ops.aten.threshold_backward(gradient, pooled, 0)  # through ReLU
        total = gradient.sum(dim=(0, 2, 3))
        through = _through_pool(patches, gradient, places, context.shape)
        # Of the normalised outputs at the places that were pooled, without having kept them:
        slope = ((filters * through).sum(dim=0) - mean * total) * steepness
        spread = (covariance @ filters) * steepness
        by_filter = (through - centre[:, None] * total - spread * slope) * factor * sign
        channels = context.shape[1]
        by_weight = by_filter.view(3, 3, channels, -1).permute(3, 2, 0, 1).contiguous()
        by_bias = torch.zeros_like(total) if context.has_bias else None
        return None, by_weight, by_bias, slope * sign, total, None


def _patches(images: Tensor, middle: Tensor) -> Tensor:
    """Return the 3x3 patches [B * H * W, 9 * C] of images less `middle` [C]; beyond the edge an
    image is 0, less the same."""
    count, channels, height, width = images.shape
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)) - middle
    by_image, by_row, by_pixel, _ = padded.stride()
    shape = (count, height, width, 3, 3 * channels)  # three pixels of a row are next to each other
    strided = padded.as_strided(shape, (by_image, by_row, by_pixel, by_row, 1))
    return strided.reshape(-1, 9 * channels)


def _moments(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean [K] and covariance [K, K] of patches [N, K]."""
    count = len(patches)
    squares = torch.zeros(patches.shape[1], patches.shape[1], dtype=torch.float64)
    for part in torch.split(patches, 2**14):  # partial sums in float32, their sum in float64
        squares += part.T @ part
    centre = torch.mv(patches.T, patches.new_ones(count)).double() / count
    covariance = squares / count - torch.outer(centre, centre)
    return centre.to(patches), covariance.to(patches)


def _pooled(
    patches: Tensor, filters: Tensor, shift: Tensor, shape: torch.Size
) -> tuple[Tensor, Tensor]:
    """Return relu(max_pool(patches @ filters + shift)) and where each maximum lies in its image."""
    count, _, height, width = shape
    made = (count, filters.shape[1], height // 2, width // 2)
    pooled = torch.empty(made, dtype=patches.dtype, memory_format=torch.channels_last)
    places = torch.empty(made, dtype=torch.int64, memory_format=torch.channels_last)
    pool = torch.ops.aten.max_pool2d_with_indices.out
    for part, rows, outputs in _chunks(shape, filters):
        torch.addmm(shift, patches[rows], filters, out=outputs)
        images = _as_images(outputs, height, width)
        pool(images, *POOL, out=pooled[part], indices=places[part])
    return pooled.relu_(), places


def _through_pool(patches: Tensor, gradient: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """Return the sum [K, F] of patches, each times the gradient of the maximum that it made."""
    _, _, height, width = shape
    summed = patches.new_zeros(patches.shape[1], gradient.shape[1])
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    for part, rows, outputs in _chunks(shape, summed):
        sized_as = _as_images(outputs, height, width)
        spread = backward(gradient[part], sized_as, *POOL, False, places[part])
        summed.addmm_(patches[rows].T, spread.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1]))
    return summed


def _chunks(shape: torch.Size, filters: Tensor) -> list[tuple[slice, slice, Tensor]]:
    """Return some images at a time, the rows of their patches, and room [rows, F] for outputs."""
    count, _, height, width = shape
    pixels = height * width
    bytes_each = pixels * filters.shape[1] * filters.element_size()
    size = max(1, CHUNK_BYTES // bytes_each)
    room = filters.new_empty(min(size, count) * pixels, filters.shape[1])
    chunks = []
    for start in range(0, count, size):
        end = min(count, start + size)
        rows = slice(start * pixels, end * pixels)
        chunks.append((slice(start, end), rows, room[: rows.stop - rows.start]))
    return chunks


def _as_images(outputs: Tensor, height: int, width: int) -> Tensor:
    """Return [B * H * W, F] as images [B, F, H, W], which are then in channels_last memory."""
    return outputs.view(-1, height, width, outputs.shape[1]).permute(0, 3, 1, 2)
