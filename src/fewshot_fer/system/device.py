"""Choosing where tensors live and how they are computed.

Too little memory: told from other errors, and met with smaller parts.
"""

import logging

import torch

from fewshot_fer.system.errors import ConfigError

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bf16": torch.float32}
"""Of weights and embeddings; bf16 concerns the forward of training alone."""


def prepare_device(
    name: str, seed: int, precision: str = "float32", threads: int | None = None
) -> torch.device:
    """Return the device `auto`, `cpu` or `cuda`, made repeatable: seeds set, no free choice of
    kernels, so many threads on the CPU (None: all that torch finds).

    Raises ConfigError for cuda, or for bf16, where torch finds no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but torch finds no GPU here: use device=cpu or device=auto")
    gpu = name != "cpu" and torch.cuda.is_available()
    if precision == "bf16" and not gpu:  # about a hundred times slower on a CPU without its unit
        raise ConfigError("precision=bf16 needs a GPU: use precision=float32")
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False  # picking the fastest kernel picks another one each run
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda" if gpu else "cpu")


log = logging.getLogger("fewshot_fer")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory could not be had, on a GPU or a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def halve_or_raise(count: int, error: Exception, smallest: int, what: str) -> int:
    """Return half of a count where the memory was too small for it, and say so.

    Raises `error` again where it is another one, or nothing is left to halve.
    """
    if not is_out_of_memory(error) or count <= smallest:
        raise error
    smaller = max(smallest, count // 2)
    log.warning("too little memory: %d %s at a time in the place of %d", smaller, what, count)
    return smaller
