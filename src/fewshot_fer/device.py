"""Choosing where tensors live and how they are computed."""

import torch

from fewshot_fer.allocator import keep_freed_memory
from fewshot_fer.errors import ConfigError

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
    if not gpu:
        keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False  # picking the fastest kernel picks another one each run
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda" if gpu else "cpu")
