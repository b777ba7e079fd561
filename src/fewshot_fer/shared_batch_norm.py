"""Batch norm over the images of all ranks, on the CPU and on GPUs.

torch's SyncBatchNorm takes GPUs only; without any, ranks would normalise each by its own images,
which is another algorithm than one process with all of them.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn

from fewshot_fer.ranks import world


class SharedBatchNorm2d(nn.BatchNorm2d):
    """As nn.BatchNorm2d, with mean and variance over the batches of all ranks while training."""

    def forward(self, images: Tensor) -> Tensor:
        """Return images [B, C, H, W] normalised; B may differ between ranks."""
        if not self.training:
            return super().forward(images)
        sums = torch.cat([images.sum(dim=(0, 2, 3)), images.new_tensor([images[:, 0].numel()])])
        sums = _summed(sums)
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = images - mean[:, None, None]
        variance = _summed(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all ranks; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_context: Any, own: Tensor) -> Tensor:  # noqa: ANN401
        summed = own.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed


def _summed(own: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(own))


def share_batch_norms(network: nn.Module) -> None:
    """Make every batch norm of a network one over all ranks; nothing else of it changes."""
    if world() > 1:
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SharedBatchNorm2d


def unshare_batch_norms(network: nn.Module) -> None:
    """Make every batch norm an ordinary one again."""
    for module in network.modules():
        if type(module) is SharedBatchNorm2d:
            module.__class__ = nn.BatchNorm2d  # type: ignore[assignment]
