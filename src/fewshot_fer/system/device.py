"""Devices: where tensors live, in which precision they are computed, and what fits in memory."""

import contextlib
import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot_fer.system.cores import core_count, given_threads
from fewshot_fer.system.errors import ConfigError

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bf16": torch.float32}
"""Of weights and embeddings, by the names of `precision=`."""

log = logging.getLogger("fewshot_fer")


def prepare_device(
    name: str, seed: int, precision: str = "float32", threads: int | None = None
) -> torch.device:
    """Return the device `auto`, `cpu` or `cuda` after making torch repeatable on it.

    Seeds torch, fixes the choice of kernels and sets the number of CPU threads (None: as torch has
    it, but none beyond the cores that there are for this process). Raises ConfigError for cuda, or
    for bf16, where torch finds no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but torch finds no GPU here: use device=cpu or device=auto")
    gpu = name != "cpu" and torch.cuda.is_available()
    if precision == "bf16" and not gpu:  # about a hundred times slower on a CPU without its unit
        raise ConfigError("precision=bf16 needs a GPU: use precision=float32")
    if threads is None and given_threads() is None:  # torch knows of no quota
        threads = min(torch.get_num_threads(), core_count())
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False  # picking the fastest kernel picks another one each run
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda" if gpu else "cpu")


@dataclass(frozen=True)
class Precision:
    """dtype: of weights, losses and embeddings; bf16: whether training's forward is in bfloat16."""

    dtype: torch.dtype = torch.float32
    bf16: bool = False

    def forward(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        """Return the context in which a training step runs its encoder."""
        if not self.bf16:
            return contextlib.nullcontext()
        # Without the cache of cast weights, which a captured graph would keep from its first step.
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device. From pinned memory, a copy to a GPU does not wait for what the
    GPU computes, and the next step can be made ready meanwhile."""
    if values.device.type == "cpu" and device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def room_for_images(device: torch.device) -> int:
    """Return how many bytes of images may lie on a GPU: what is free, but a quarter of it all,
    which training and evaluation compute in."""
    free, total = torch.cuda.mem_get_info(device)
    return max(0, free - total // 4)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error was raised for want of memory, on a GPU or a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def halve_or_raise(count: int, error: Exception, smallest: int, what: str) -> int:
    """Return half of `count`, at least `smallest`, after running out of memory; log a warning.

    what: the things counted, for the warning. Raises `error` again where it has another cause, or
    `count` cannot be halved.
    """
    if not is_out_of_memory(error) or count <= smallest:
        raise error
    smaller = max(smallest, count // 2)
    log.warning("too little memory: %d %s at a time in the place of %d", smaller, what, count)
    return smaller
