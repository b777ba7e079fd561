"""Ranks: the processes that train one network together; a process on its own is rank 0 of 1."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

Step = Callable[..., Any]
PARTS = 8  # that gradients are sent in: the last waits for the end of the backward
LARGEST = 25  # MiB of a part


def world() -> int:
    """Return how many processes train together."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def rank() -> int:
    """Return this process's number, from 0; rank 0 writes the run's folder."""
    return distributed.get_rank() if world() > 1 else 0


def rank_slice(count: int, of: int | None = None) -> slice:
    """Return this rank's share of `count` things in a row, or that of another one; shares differ by
    one at most."""
    each, more = divmod(count, world())
    number = rank() if of is None else of
    start = number * each + min(number, more)
    return slice(start, start + each + (number < more))


def all_gather(own: Tensor, dim: int = 0) -> Tensor:
    """Return the tensors of all ranks [.., N, ..], joined along `dim` in the order of the ranks.

    own: [.., n, ..] with n along `dim`, which may differ between ranks.
    """
    if world() == 1:
        return own
    own = own.transpose(0, dim).contiguous()
    counts = [torch.zeros(1, dtype=torch.int64, device=own.device) for _ in range(world())]
    distributed.all_gather(counts, torch.tensor([len(own)], device=own.device))
    sizes = [int(count) for count in counts]
    padded = own.new_zeros((max(sizes), *own.shape[1:]))
    padded[: len(own)] = own
    every = [torch.empty_like(padded) for _ in sizes]
    distributed.all_gather(every, padded)
    whole = torch.cat([each[:size] for each, size in zip(every, sizes, strict=True)])
    return whole.transpose(0, dim)


def data_parallel(modules: Sequence[nn.Module]) -> Step:
    """Return a function that calls its first argument with the others.

    With more than one rank, the gradients of `modules` after a backward are the mean over all ranks
    (DistributedDataParallel), which are sent in parts while the backward goes on; what is called
    must use all of their weights.
    """
    if world() == 1:
        return lambda function, *arguments: function(*arguments)
    weights = [weight for module in modules for weight in module.parameters()]
    part = sum(each.numel() * each.element_size() for each in weights) / PARTS / 2**20
    how: dict[str, Any] = {"broadcast_buffers": False, "bucket_cap_mb": min(part, LARGEST)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of another name for it, in newer torch
        return nn.parallel.DistributedDataParallel(_Calling(modules), **how)


class _Calling(nn.Module):
    """Modules whose forward calls the function that it is given."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def forward(self, function: Step, *arguments: Any) -> Any:  # noqa: ANN401
        return function(*arguments)
