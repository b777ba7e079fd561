"""Time against size, a panel for each thing that grows, with its slope and the memory beside it.

A dotted line is of slope 1: ten times as many take ten times as long.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarking.result import Figure
from benchmarking.setting import SCALED_SIDE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
COLOURS = 32
UPPER = 3  # sizes that a slope is taken over, the largest ones
EMBEDDING = f"embedding images of {SCALED_SIDE} pixels"
PANELS = {
    "packing": "packing images",
    "opening a pack": "opening a pack",
    "table of images": "making a table of images",
    EMBEDDING: EMBEDDING,
    "check of images on disk": "check",
    "check's search for near-identical images": "near-identical images",
    "drawing and scoring episodes": "episodes, drawn and scored",
    "pooling classes, 10,000 episodes": "classes: pools, 10,000 episodes",
    "table and pool of clips": "clips, 10 frames each",
}
"""what a figure is of -> title of its panel"""
UNITS = {"drawing and scoring episodes": "episodes", "table and pool of clips": "clips"}
UNITS |= {"pooling classes, 10,000 episodes": "classes"}


def slope_of(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the slope of values over sizes, both as logarithms: 1 where twice as many take twice
    as long."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def draw_growth(figures: Sequence[Figure], file: Path) -> None:
    """Write a PNG with a panel for each of PANELS that was measured."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    grown = [each for each in figures if each.size]
    shown = [what for what in PANELS if any(each.what == what for each in grown)]
    rows = -(-len(shown) // COLUMNS) or 1
    sheet = Sheet(figsize=(4 * COLUMNS, 2.9 * rows), layout="constrained")
    FigureCanvasAgg(sheet)
    panels = sheet.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, what in zip(panels, shown, strict=False):
        time = [each for each in grown if each.what == what]
        memory = [each for each in grown if each.unit == "MB" and each.what.endswith(f": {what}")]
        _panel(axes, what, time, memory)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    drawn = BytesIO()
    sheet.savefig(drawn, dpi=80, format="png")
    with Image.open(drawn) as picture:  # few colours: a third of the bytes, for the manual
        picture.convert("RGB").quantize(COLOURS).save(file, format="png", optimize=True)


def _panel(axes: "Axes", what: str, time: Sequence[Figure], memory: Sequence[Figure]) -> None:
    sizes = [each.size or 1 for each in time]
    seconds = [each.spread.median / (1000 if each.unit == "ms" else 1) for each in time]
    axes.plot(sizes, seconds, marker="o", color="tab:blue")
    linear = [seconds[-1] * size / sizes[-1] for size in sizes]
    axes.plot(sizes, linear, color="tab:grey", linestyle=":")
    if len(sizes) > 1:
        slope = slope_of(sizes[-UPPER:], seconds[-UPPER:])
        axes.text(0.04, 0.9, f"slope {slope:.2f}", transform=axes.transAxes)
    axes.set_title(PANELS[what], fontsize=10)
    axes.set(xscale="log", yscale="log", xlabel=UNITS.get(what, "images"))
    axes.set(xlim=_decades(sizes), ylim=_decades(seconds))
    axes.set_ylabel("seconds", color="tab:blue")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    if memory:
        beside = axes.twinx()
        megabytes = [each.spread.median for each in memory]
        beside.plot([each.size or 1 for each in memory], megabytes, color="tab:red", ls="--")
        beside.set_ylabel("MB at the most", color="tab:red")
        beside.set_ylim(0, 1.5 * max(megabytes))


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten around values."""
    low, high = np.floor(np.log10(min(values))), np.ceil(np.log10(max(values)))
    return float(10**low), float(10 ** max(high, low + 1))
