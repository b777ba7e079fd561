"""Batch norms over the images of all ranks: torch's SyncBatchNorm on GPUs, the same on the CPU.

SyncBatchNorm takes GPUs only; without any, ranks would normalise each by its own images, which is
another algorithm than one process with all of them. Both send means and variances, no maps.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.ranks import world

ACTIVATED = "BatchNormAct2d"  # timm's, with an activation behind it
PIXELS = (0, 2, 3)  # dimensions of maps [B, C, H, W] that a batch norm averages over


def share_batch_norms(network: nn.Module) -> None:
    """Make every batch norm of a network one over all ranks; nothing else of it changes.

    Raises ConfigError where another layer keeps running statistics: each rank would have its own,
    and with them another network.
    """
    if world() == 1:
        return
    on_gpu = any(parameter.is_cuda for parameter in network.parameters())
    for name, module in network.named_modules():
        if type(module) is nn.BatchNorm2d or type(module).__name__ == ACTIVATED:
            norm = cast(Any, module)
            norm.unshared, norm.process_group = type(module), None
            norm.__class__ = _synchronised(type(module)) if on_gpu else _OnCpu
        elif any(key.startswith("running_") for key, _ in module.named_buffers(recurse=False)):
            raise ConfigError(
                f"trainer.devices={world()}: {name} ({type(module).__name__}) keeps running "
                f"statistics that processes cannot share: take trainer.devices=1, or another "
                f"backbone="
            )


def unshare_batch_norms(network: nn.Module) -> None:
    """Give every shared batch norm the class back that it had."""
    for module in network.modules():
        if isinstance(module, nn.SyncBatchNorm | _OnCpu):
            cast(Any, module).__class__ = module.unshared


def _synchronised(kind: type[nn.Module]) -> Any:  # noqa: ANN401
    if kind is nn.BatchNorm2d:
        return nn.SyncBatchNorm
    from timm.layers.norm_act import SyncBatchNormAct

    return SyncBatchNormAct


class _OnCpu(nn.BatchNorm2d):
    """A batch norm that, in training, normalises by mean and variance over all ranks' images."""

    unshared: type[nn.BatchNorm2d]

    def forward(self, images: Tensor) -> Tensor:
        """Return images [B, C, H, W] normalised; B is this rank's `rank_slice` of the batch."""
        if not self.training:
            return self.unshared.forward(self, images)
        mean, variance, count = shared_moments(images)
        if self.track_running_stats:
            self._update(mean, variance * (count / (count - 1).clamp(min=1)))
        moments = (mean, variance, count)
        made = _Normalise.apply(images, self.weight, self.bias, moments, self.eps)
        for name in ("drop", "act") if self.unshared is not nn.BatchNorm2d else ():
            made = getattr(self, name)(made)
        return cast(Tensor, made)

    def _update(self, mean: Tensor, unbiased: Tensor) -> None:
        """Update the running statistics as torch does; without a momentum all batches count."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(unbiased, momentum)


@torch.no_grad()
def shared_moments(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean [C], variance [C] and count [] of the pixels of all ranks' maps [B, C, H, W].

    One message of 2 C + 1 numbers, as SyncBatchNorm sends.
    """
    own = images.new_zeros(2 * images.shape[1] + 1)
    if len(images):
        variance, mean = torch.var_mean(images, dim=PIXELS, correction=0)
        count = own.new_tensor([images.numel() // images.shape[1]])
        own = torch.cat([mean, variance, count])
    every = [torch.empty_like(own) for _ in range(world())]
    distributed.all_gather(every, own)
    moments, counts = torch.stack(every).tensor_split([2 * images.shape[1]], dim=1)
    means, variances = moments.chunk(2, dim=1)
    total = counts.sum()
    mean = (counts * means).sum(dim=0) / total
    variance = (counts * (variances + (means - mean).square())).sum(dim=0) / total
    return mean, variance, total


class _Normalise(torch.autograd.Function):
    """Maps by the moments of all ranks. The gradients of weight and bias are of this rank's images;
    that of the maps flows through the moments too: one message of 2 C numbers."""

    @staticmethod
    def forward(
        context: Any,  # noqa: ANN401
        images: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        moments: tuple[Tensor, Tensor, Tensor],
        eps: float,
    ) -> Tensor:
        mean, variance, count = moments
        context.save_for_backward(images, mean, variance, count, weight)
        context.eps = eps
        if not len(images):  # a batch of fewer images than ranks, which torch divides by zero
            return images.clone()
        return F.batch_norm(images, mean, variance, weight, bias, eps=eps)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        images, mean, variance, count, weight = context.saved_tensors
        scale = torch.ones_like(mean) if weight is None else weight
        if len(images):  # the moments as constants first
            fixed, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
                *(gradient, images, scale, mean, variance, None, None),
                *(False, context.eps, [True, True, True]),
            )
        else:
            fixed, by_weight, by_bias = gradient.clone(), *torch.zeros(2, len(mean)).to(mean)
        summed = torch.cat([by_weight, by_bias])
        distributed.all_reduce(summed)
        along, through = (summed / count).chunk(2)
        steepness = (variance + context.eps).rsqrt()
        slope = scale * steepness.square() * along
        offset = scale * steepness * through - slope * mean
        by_images = fixed.addcmul_(images, -_by_channel(slope)).sub_(_by_channel(offset))
        if weight is None:
            return by_images, None, None, None, None
        return by_images, by_weight, by_bias, None, None


def _by_channel(values: Tensor) -> Tensor:
    """Return values [C] as [C, 1, 1]."""
    return values[:, None, None]
