"""A block of Conv-4 for training on a GPU: its convolution, then batch norm to max-pool fused.

A small encoder's step on a GPU is memory traffic. The convolution's bias is left out, as batch norm
takes it out again: adding it and summing its gradient, which is zero, took a tenth of a step. In a
captured step what follows the convolution runs in the Triton kernels of `conv4_gpu_kernels`; Triton
comes with torch for CUDA on Linux. Elsewhere torch's own kernels do the same.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.fast.conv4_first_block import are_plain

log = logging.getLogger("fewshot_fer")
_GRAPHED: ContextVar[bool] = ContextVar("graphed", default=False)
DTYPES = (torch.float32, torch.bfloat16)  # of what is normalised; sums are in float32
ALIGNED = 4  # channels, below which convolutions of a GPU take a way that is three times slower


@contextmanager
def for_a_graph() -> Iterator[None]:
    """Use the Triton kernels within this context: in steps that are captured, or are about to be.

    Triton takes longer to start a kernel than torch. In a graph that costs nothing; started one by
    one, steps of 30 images took 4.2 ms on an H200, and 3.3 with torch's kernels.
    """
    before = _GRAPHED.set(True)
    try:
        yield
    finally:
        _GRAPHED.reset(before)


def takes(images: Tensor, convolution: nn.Module, norm: nn.Module) -> bool:
    """Tell whether `gpu_block` can replace convolution, batch norm, ReLU and 2x2 max-pool: while
    training on a GPU in float32 or bfloat16, with a plain batch norm."""
    return (
        torch.is_grad_enabled()
        and images.device.type == "cuda"
        and images.dtype in DTYPES
        and are_plain(convolution, norm)
        and convolution.bias is not None
    )


def gpu_block(images: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
    """Return relu(max_pool(norm(convolution(images)))) [B, F, H // 2, W // 2] in training mode,
    images [B, C, H, W]; the running statistics are updated as torch updates them.

    convolution: nn.Conv2d, 3x3 with padding 1, its bias without gradient; norm: nn.BatchNorm2d.
    """
    assert isinstance(convolution, nn.Conv2d)
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    if missing := max(0, ALIGNED - images.shape[1]):
        images, weight = (F.pad(each, (0, 0, 0, 0, 0, missing)) for each in (images, weight))
    kernels = fused_kernels(images.device) if _GRAPHED.get() else None
    if kernels is not None:
        return norm_pool(F.conv2d(images, weight, padding=1), bias, norm, kernels)
    made = _Unlearnt.apply(F.conv2d(images, weight, bias.detach(), padding=1), bias)
    return F.relu(F.max_pool2d(norm(made), 2), inplace=True)


def norm_pool(made: Tensor, bias: Tensor, norm: nn.Module, kernels: ModuleType) -> Tensor:
    """Return relu(max_pool(norm(made + bias))) [B, F, H // 2, W // 2] of a convolution's outputs
    [B, F, H, W], the gradient of whose bias [F] is zero."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    return cast(Tensor, _NormPool.apply(made, bias, norm.weight, norm.bias, norm, kernels))


@lru_cache
def fused_kernels(device: torch.device) -> ModuleType | None:
    """Return the module of Triton kernels, or None with a line in the log that says why.

    They are tried on a few numbers first: Triton compiles them, and may find no compiler for C.
    """
    try:
        from fewshot_fer.models.fast import conv4_gpu_kernels

        norm, few = nn.BatchNorm2d(2).to(device), torch.zeros(2, 2, 3, 3, device=device)
        with torch.enable_grad():
            tried = norm_pool(few.requires_grad_(), few[0, :, 0, 0], norm, conv4_gpu_kernels)
            tried.sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # kernels must never cost a run
        reason = " ".join(str(error).split())[:200]
        log.warning("torch's own kernels on this GPU: %s: %s", type(error).__name__, reason)
        return None
    return conv4_gpu_kernels


class _Unlearnt(torch.autograd.Function):
    """values, bias -> values; the gradient of the bias is zero, without which nothing decays it."""

    @staticmethod
    def forward(context: Any, values: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401
        context.save_for_backward(bias)
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        return gradient, torch.zeros_like(context.saved_tensors[0])


class _NormPool(torch.autograd.Function):
    """made [B, F, H, W], bias [F], scale [F], shift [F] -> pooled [B, F, H // 2, W // 2]."""

    @staticmethod
    def forward(
        context: Any,  # noqa: ANN401
        made: Tensor,
        bias: Tensor,
        scale: Tensor,
        shift: Tensor,
        norm: nn.BatchNorm2d,
        kernels: Any,  # noqa: ANN401
    ) -> Tensor:
        made = made.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = made.shape
        n_rows, tile = count * height * width, (kernels.ROWS, kernels.CHANNELS)
        across = -(-channels // kernels.CHANNELS)
        parts = min(kernels.PARTS, -(-n_rows // kernels.ROWS))
        how = {"num_warps": kernels.WARPS}
        sums = made.new_empty(parts, 2, channels, dtype=torch.float32)
        kernels.sum_values[(parts, across)](made, sums, n_rows, channels, *tile, **how)
        mean, steepness = torch.empty(2, channels, dtype=torch.float32, device=made.device)
        kernels.finish_moments[(-(-channels // kernels.FEW_CHANNELS),)](
            *(made, sums, bias, norm.running_mean, norm.running_var, mean, steepness),
            *(n_rows, channels, parts, norm.momentum, norm.eps),
            *(kernels.ALL_PARTS, kernels.FEW_CHANNELS),
            **how,
        )
        shape = (count, channels, height // 2, width // 2)
        pooled = torch.empty(
            shape, dtype=made.dtype, device=made.device, memory_format=torch.channels_last
        )
        peaks, places = torch.empty_like(pooled), torch.empty_like(pooled, dtype=torch.int8)
        windows = count * shape[2] * shape[3]
        kernels.pool_normalised[(-(-windows // kernels.ROWS), across)](
            *(made, mean, steepness, scale, shift, pooled, peaks, places),
            *(height, width, windows, channels, *tile),
            **how,
        )
        context.save_for_backward(made, peaks, places, mean, steepness, scale)
        context.kernels, context.bias_like = kernels, bias
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        made, peaks, places, mean, steepness, scale = context.saved_tensors
        kernels = context.kernels
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = made.shape
        tile, across = (kernels.ROWS, kernels.CHANNELS), -(-channels // kernels.CHANNELS)
        windows, how = peaks.numel() // channels, {"num_warps": kernels.WARPS}
        parts = min(kernels.PARTS, -(-windows // kernels.ROWS))
        sums = made.new_empty(parts, 2, channels, dtype=torch.float32)
        kernels.sum_gradients[(parts, across)](
            *(gradient, peaks, places, mean, steepness, sums, windows, channels, *tile), **how
        )
        summed = sums.sum(dim=0)
        spread = torch.empty_like(made)
        corners = count * -(-height // 2) * -(-width // 2)
        kernels.spread_gradients[(-(-corners // kernels.ROWS), across)](
            *(gradient, places, made, mean, steepness, scale, summed, spread),
            *(height, width, corners, count * height * width, channels, *tile),
            **how,
        )
        by_bias = torch.zeros_like(context.bias_like)
        return spread, by_bias, summed[1], summed[0], None, None
