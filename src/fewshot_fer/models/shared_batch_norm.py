"""Batch norms over the images of all ranks: torch's SyncBatchNorm on GPUs, a slow one on the CPU.

SyncBatchNorm takes GPUs only; without any, ranks would normalise each by its own images, which is
another algorithm than one process with all of them.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn

from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.ranks import all_gather, rank_slice, world

ACTIVATED = "BatchNormAct2d"  # timm's, with an activation behind it


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
    """A batch norm that, in training, computes all ranks' images on each; made for tests."""

    unshared: type[nn.BatchNorm2d]

    def forward(self, images: Tensor) -> Tensor:
        """Return images [B, C, H, W] normalised; B is this rank's `rank_slice` of the batch."""
        if not self.training:
            return self.unshared.forward(self, images)
        normalised = self.unshared.forward(self, cast(Tensor, _Gather.apply(images)))
        return normalised[rank_slice(len(normalised))]


class _Gather(torch.autograd.Function):
    """The images of all ranks; the gradient of this rank's is the sum of all ranks' gradients."""

    @staticmethod
    def forward(_context: Any, own: Tensor) -> Tensor:  # noqa: ANN401
        return all_gather(own)

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed[rank_slice(len(summed))]
