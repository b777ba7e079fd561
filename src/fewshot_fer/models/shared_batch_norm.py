"""Batch norms over the images of all ranks: torch's SyncBatchNorm on GPUs, the same on the CPU.

SyncBatchNorm takes GPUs only; without any, ranks would normalise each by its own images, which is
another algorithm than one process with all of them.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn

from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.ranks import world

ACTIVATED = "BatchNormAct2d"  # timm's, with a dropout `drop` and an activation `act` behind it


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
            norm.__class__ = _OnGpu if on_gpu else _OnCpu
        elif any(
            buffer.startswith("running_") for buffer, _ in module.named_buffers(recurse=False)
        ):
            raise ConfigError(
                f"trainer.devices={world()}: {name} ({type(module).__name__}) keeps running "
                f"statistics that processes cannot share: take trainer.devices=1, or another "
                f"backbone="
            )


def unshare_batch_norms(network: nn.Module) -> None:
    """Give every shared batch norm the class back that it had."""
    for module in network.modules():
        if isinstance(module, _OnGpu | _OnCpu):
            cast(Any, module).__class__ = module.unshared


class _OnGpu(nn.SyncBatchNorm):
    unshared: type[nn.BatchNorm2d]

    def forward(self, images: Tensor) -> Tensor:
        return _activated(self, super().forward(images))


class _OnCpu(nn.BatchNorm2d):
    unshared: type[nn.BatchNorm2d]

    def forward(self, images: Tensor) -> Tensor:
        """Return images [B, C, H, W] normalised; B may differ between ranks."""
        if not self.training:
            return _activated(self, super().forward(images))
        sums = images.sum(dim=(0, 2, 3))
        sums = _Sum.apply(torch.cat([sums, sums.new_tensor([images[:, 0].numel()])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = images - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum(dim=(0, 2, 3))) / count
        if self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            batches = float(self.num_batches_tracked)
            momentum = 1 / batches if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
        normalised = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            normalised = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return _activated(self, normalised)


def _activated(norm: Any, normalised: Tensor) -> Tensor:  # noqa: ANN401
    """Return what comes behind a batch norm of timm's; torch's own has nothing there."""
    plain = norm.unshared is nn.BatchNorm2d
    return normalised if plain else cast(Tensor, norm.act(norm.drop(normalised)))


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all ranks; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_context: Any, own: Tensor) -> Tensor:  # noqa: ANN401
        summed = own.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        return _Sum.forward(_context, gradient)
