"""Figures in notebooks: shown below the cell that returns them."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_inline(figure: "Figure") -> "Figure":
    """Return the figure, which a notebook shows as a PNG; elsewhere nothing changes.

    IPython does so by itself only once somebody has imported pyplot.
    """
    if "IPython" in sys.modules:
        from IPython.core.getipython import get_ipython
        from IPython.core.pylabtools import select_figure_formats

        if (shell := get_ipython()) is not None:
            select_figure_formats(shell, {"png"})
    return figure
