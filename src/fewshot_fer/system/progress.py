"""Progress bars: lines of a terminal, or of a notebook; none where nobody looks."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar, overload

from tqdm import TqdmWarning
from tqdm import tqdm as terminal_bar

Item = TypeVar("Item")


@overload
def tqdm(
    iterable: Iterable[Item], desc: str | None = None, total: float | None = None, **options: Any
) -> "terminal_bar[Item]": ...
@overload
def tqdm(*, total: float, **options: Any) -> "terminal_bar[Any]": ...
def tqdm(*arguments: Any, **options: Any) -> "terminal_bar[Any]":
    """Return tqdm's bar for where this runs: that of tqdm.auto in a notebook.

    A notebook's output is no terminal, so disable=None alone would show none there.
    """
    if not _in_notebook():
        return terminal_bar(*arguments, **options)
    with warnings.catch_warnings():  # where there are no widgets, it is a line of text
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm as notebook_bar
    return notebook_bar(*arguments, **{**options, "disable": False})


def _in_notebook() -> bool:
    """Return whether a notebook's kernel runs this process."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
