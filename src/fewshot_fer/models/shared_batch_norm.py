"""Batch norm over the images of all ranks, on the CPU and on GPUs.

torch's SyncBatchNorm takes GPUs only; without any, ranks would normalise each by its own images,
which is another algorithm than one process with all of them.
"""

import functools
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn

from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.ranks import world

ACTIVATED = "BatchNormAct2d"  # timm's, with an activation and a dropout of its own behind it


class SharedBatchNorm2d(nn.BatchNorm2d):
    """As nn.BatchNorm2d, with mean and variance over the batches of all ranks while training.

    unshared: the class that it has on its own.
    """

    unshared: type[nn.BatchNorm2d] = nn.BatchNorm2d

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
        scale = torch.rsqrt(variance + self.eps)
        if not self.affine:
            return centred * scale[:, None, None]
        return centred * (self.weight * scale)[:, None, None] + self.bias[:, None, None]

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
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
    """Make every batch norm of a network one over all ranks; nothing else of it changes.

    Raises ConfigError where another layer keeps running statistics: each rank would have its own,
    and with them another network.
    """
    if world() == 1:
        return
    for name, module in network.named_modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
        elif type(module).__name__ == ACTIVATED and isinstance(module, nn.BatchNorm2d):
            module.__class__ = _shared_activated(type(module))  # type: ignore[arg-type]
        elif _keeps_statistics(module):
            raise ConfigError(
                f"trainer.devices={world()}: {name} ({type(module).__name__}) keeps running "
                f"statistics that processes cannot share: take trainer.devices=1, or another "
                f"backbone="
            )


def unshare_batch_norms(network: nn.Module) -> None:
    """Make every batch norm an ordinary one again."""
    for module in network.modules():
        if isinstance(module, SharedBatchNorm2d):
            module.__class__ = module.unshared  # type: ignore[assignment]


def _keeps_statistics(module: nn.Module) -> bool:
    return not isinstance(module, SharedBatchNorm2d) and any(
        name.startswith("running_") for name, _ in module.named_buffers(recurse=False)
    )


@functools.cache
def _shared_activated(kind: type[nn.BatchNorm2d]) -> type[SharedBatchNorm2d]:
    """Return timm's batch norm with an activation behind it, over all ranks."""

    def forward(module: Any, images: Tensor) -> Tensor:  # noqa: ANN401
        if not module.training:
            return kind.forward(module, images)
        normalised = SharedBatchNorm2d.forward(module, images)
        activated: Tensor = module.act(module.drop(normalised))
        return activated

    content = {"forward": forward, "unshared": kind}
    return type(f"Shared{ACTIVATED}", (SharedBatchNorm2d, kind), content)
