"""Too little memory: told from other errors, and met with smaller parts."""

import logging

import torch

log = logging.getLogger("fewshot_fer")


def is_scarce(error: BaseException) -> bool:
    """Tell whether an error says that memory could not be had, on a GPU or a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def halved(count: int, error: Exception, smallest: int, what: str) -> int:
    """Return half of a count where the memory was too small for it, and say so.

    Raises `error` again where it is another one, or nothing is left to halve.
    """
    if not is_scarce(error) or count <= smallest:
        raise error
    smaller = max(smallest, count // 2)
    log.warning("too little memory: %d %s at a time in the place of %d", smaller, what, count)
    return smaller
