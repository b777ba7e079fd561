"""Facts that torch alone knows of the machine."""

import torch

from benchmarking.setting import Setting


class Machine:
    """Stands in a process of its own, as measured systems do."""

    def __init__(self, _: Setting) -> None:
        pass

    def has_gpu(self, _: int) -> float:
        """Return 1 where torch finds a CUDA device, else 0."""
        return float(torch.cuda.is_available())
