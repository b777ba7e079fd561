"""The benchmark in one picture: against the peers, against the limit, and how it grows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.result import Figure, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"easyfsl": "tab:blue", "plain loop": "tab:orange", "original's loop": "tab:green"}


def draw(figures: Sequence[Figure], file: Path) -> None:
    """Write a PNG with four panels; one without figures says so."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    sheet = Sheet(figsize=(13, 9), layout="constrained")
    FigureCanvasAgg(sheet)
    (peers, shares), (episodes, images) = sheet.subplots(2, 2)
    _peers(peers, [f for f in figures if f.section in ("training", "evaluation") and f.theirs])
    _shares(shares, [f for f in figures if f.section == "limit" and f.theirs])
    by_size = [f for f in figures if f.section in ("scaling", "packing") and f.unit in ("s", "ms")]
    _grown(episodes, [f for f in by_size if "episodes" in f.what], "episodes")
    _grown(images, [f for f in by_size if "episodes" not in f.what], "images")
    sheet.savefig(file, dpi=110, format="png")


def _peers(axes: "Axes", figures: list[Figure]) -> None:
    axes.set(title="Times faster than (median; line: least to greatest turn)", xscale="log")
    if not _any(axes, figures):
        return
    for place, figure in enumerate(reversed(figures)):
        median, low, high = figure.spread.median, figure.spread.low, figure.spread.high
        axes.barh(place, median, color=COLOURS.get(figure.against, "tab:grey"), height=0.7)
        axes.plot([low, high], [place, place], color="black", linewidth=1)
        axes.text(max(high, median) * 1.1, place, value_text(median, "x"), va="center", fontsize=8)
        if figure.target:
            axes.plot([figure.target.value] * 2, [place - 0.4, place + 0.4], color="red")
    axes.set_yticks(range(len(figures)), [_name(figure) for figure in reversed(figures)])
    axes.tick_params(axis="y", labelsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.margins(x=0.15)
    axes.set_xlabel("times (red: must be reached)")


def _shares(axes: "Axes", figures: list[Figure]) -> None:
    axes.set_title("Share of the limit")
    if not _any(axes, figures):
        return
    for place, figure in enumerate(reversed(figures)):
        ratio = figure.unit == "x"
        share = 100 / figure.spread.median if ratio else figure.spread.median
        axes.barh(place, share, color="tab:purple" if ratio else "tab:cyan", height=0.6)
        axes.text(1, place, f"{share:.0f} %", va="center", fontsize=9)
        if figure.target:
            must = 100 / figure.target.value if ratio else figure.target.value
            axes.plot([must] * 2, [place - 0.4, place + 0.4], color="red")
    names = [
        f"{'training' if figure.unit == 'x' else 'embedding'}\n{figure.backbone}, {figure.device}"
        for figure in reversed(figures)
    ]
    axes.set_yticks(range(len(figures)), names)
    axes.axvline(100, color="black", linewidth=0.8)
    axes.set_xlim(0, max(115, *(100 / f.spread.median for f in figures if f.unit == "x")))
    axes.set_xlabel("% of bare convolutions (training), of GEMM's rate (embedding)")


def _grown(axes: "Axes", figures: list[Figure], unit: str) -> None:
    axes.set(title=f"Time over {unit}", xscale="log", yscale="log", xlabel=unit, ylabel="seconds")
    if not _any(axes, figures):
        return
    for what in dict.fromkeys(figure.what for figure in figures):
        points = [figure for figure in figures if figure.what == what]
        scale = [1e-3 if point.unit == "ms" else 1.0 for point in points]
        seconds = [each * point.spread.median for each, point in zip(scale, points, strict=True)]
        axes.plot([point.size or 0 for point in points], seconds, marker="o", label=what)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)


def _any(axes: "Axes", figures: list[Figure]) -> bool:
    if not figures:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes, color="grey")
    return bool(figures)


def _name(figure: Figure) -> str:
    what = "training" if figure.section == "training" else f"{figure.size:,} episodes"
    return f"{what}, {figure.backbone}, {figure.device}, {figure.against}"
