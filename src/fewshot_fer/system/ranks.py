"""The processes that train one network together: which one this is, what it is dealt, what all
have. A process on its own is the only rank of a world of one."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

Step = Callable[..., Any]
Items = TypeVar("Items", bound=Sequence[Any])


def world() -> int:
    """Return how many processes train together."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def rank() -> int:
    """Return this one's number; 0 writes what people read."""
    return distributed.get_rank() if world() > 1 else 0


def rank_slice(count: int) -> slice:
    """Return which of `count` things in a row are this rank's: equal shares but for one."""
    each, more = divmod(count, world())
    start = rank() * each + min(rank(), more)
    return slice(start, start + each + (rank() < more))


def all_gather(own: Tensor, dim: int = 0) -> Tensor:
    """Return what all ranks have, [.., N, ..], in the order of the ranks.

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
    parts = [torch.empty_like(padded) for _ in sizes]
    distributed.all_gather(parts, padded)
    whole = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
    return whole.transpose(0, dim)


def data_parallel(parts: Sequence[nn.Module]) -> Step:
    """Return a function that calls its first argument with the others.

    With more than one rank, the gradients of `parts` after a backward are the mean over all ranks
    (DistributedDataParallel); what is called must use all of their weights.
    """
    if world() == 1:
        return _call
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of another name for it, in newer torch
        return nn.parallel.DistributedDataParallel(_Called(parts), broadcast_buffers=False)


def _call(function: Step, *arguments: Any) -> Any:  # noqa: ANN401
    return function(*arguments)


class _Called(nn.Module):
    """Modules whose forward is whatever function is handed in."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, function: Step, *arguments: Any) -> Any:  # noqa: ANN401
        return function(*arguments)
