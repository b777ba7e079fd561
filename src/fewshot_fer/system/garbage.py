"""Python's search for garbage, spared where none is found: in loading libraries and at the end.

Torch and pandas make half a million objects that live as long as the process. To go through them
again and again takes a tenth of the time of loading them, once more afterwards, and at the end
another half second.
"""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Search for no garbage while the block imports, and never among what it leaves: else the very
    next search would go through all of it."""
    enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > modules:  # not where all was there: garbage too would stay for good
            gc.freeze()
        if enabled:
            gc.enable()


def end_without_searching() -> None:
    """Let the process end without a last search. What is registered with atexit still runs, and
    whatever is counted out is still closed."""
    atexit.unregister(_spare_the_last_search)  # once, however often this is called
    atexit.register(_spare_the_last_search)


def _spare_the_last_search() -> None:
    # What nanobind binds (Triton and ONNX are) prints pages on each object that no search freed.
    if any(str(kind.__module__) == "nanobind" for kind in type.__subclasses__(type)):
        gc.unfreeze()
    else:
        gc.freeze()
