"""Draw learning curves as inline SVG, from frames with axes, lines and bands.

Colours and widths come from style.css by class.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fewshot_fer.reports.html.collect import Run, draws_episodes
from fewshot_fer.reports.html.groups import Group

Floats = NDArray[np.float64]
Ticks = Sequence[tuple[float, str]]
PERCENT_TICKS = [(share, f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
MOST_POINTS = 160  # of a line; a screen shows no more
MOST_LINES = 40  # in one picture; the best stand in front
COLOURED = 6  # of them


@dataclass(frozen=True)
class Frame:
    """A plotting area of `width` x `height` pixels, within margins, for x and y in these ranges."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 340
    height: int = 190
    left: int = 38
    bottom: int = 26

    def across(self, x: float) -> float:
        """Return the pixel of a value of x, from the left."""
        span = (self.x[1] - self.x[0]) or 1.0
        return self.left + (x - self.x[0]) / span * (self.width - self.left - 8)

    def down(self, y: float) -> float:
        """Return the pixel of a value of y, from the top."""
        span = (self.y[1] - self.y[0]) or 1.0
        return 8 + (self.y[1] - y) / span * (self.height - self.bottom - 8)

    def path(self, x: Floats, y: Floats, kind: str, title: str = "") -> Markup:
        """Return a line through the points whose y is a number."""
        kept = _thinned(np.flatnonzero(np.isfinite(y)))
        if len(kept) == 1:
            return dot(self.across(x[kept[0]]), self.down(y[kept[0]]), 2.5, f"dot {kind}", title)
        points = " ".join(f"{self.across(x[i]):.1f},{self.down(y[i]):.1f}" for i in kept)
        return Markup('<polyline class="line {}" points="{}">{}</polyline>').format(
            kind, points, _hint(title)
        )

    def band(self, x: Floats, low: Floats, high: Floats, kind: str) -> Markup:
        """Return the area between two lines."""
        kept = _thinned(np.flatnonzero(np.isfinite(low) & np.isfinite(high)))
        there = [f"{self.across(x[i]):.1f},{self.down(high[i]):.1f}" for i in kept]
        back = [f"{self.across(x[i]):.1f},{self.down(low[i]):.1f}" for i in kept[::-1]]
        return Markup('<polygon class="band {}" points="{}"/>').format(kind, " ".join(there + back))

    def level(self, y: float, kind: str, title: str = "") -> Markup:
        """Return a horizontal line."""
        shape = Markup('<line class="level {}" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}">{}</line>')
        return shape.format(kind, self.left, self.width - 8, _hint(title), y=self.down(y))

    def axes(self, x_ticks: Ticks, y_ticks: Ticks) -> Markup:
        """Return a grid line and a label for each tick."""
        shapes = [
            self.level(y, "grid") + _text(self.left - 5, self.down(y) + 3.5, name, "end")
            for y, name in y_ticks
        ]
        below = self.height - self.bottom + 15
        shapes += [_text(self.across(x), below, name, "middle") for x, name in x_ticks]
        return Markup("").join(shapes)


def run_curves(run: Run) -> Markup:
    """Return accuracy and loss over the epochs of a run, nothing without a single epoch."""
    epochs = run.metrics.get("epoch", np.zeros(0))
    return _accuracy_chart(run, epochs) + _loss_chart(run, epochs) if len(epochs) else Markup("")


def group_curves(group: Group) -> tuple[Markup, list[Run]]:
    """Return the validation accuracy over the epochs of all runs of a group, the best coloured,
    and these runs; the picture is empty where no run has two epochs."""
    runs = [result.run for result in group.results if len(result.run.metrics.get("epoch", ()))]
    distinct = list({run.number: run for run in runs}.values())  # a run may have several results
    return _overlay(distinct[:MOST_LINES], float(group.row["chance"])), distinct


def chance_of(run: Run, role: str) -> float | None:
    """Return the chance of a role from a run's results or, where unfinished, from its settings.

    None where it is not known: of passes over the images, whose classes are the data set's.
    """
    row = run.best(role)
    if row is not None:
        return float(row["chance"])
    if role == "train" and not draws_episodes(run.settings):
        return None
    way = run.settings.get("train.n_way" if role == "train" else "eval.n_way")
    return 1 / way if isinstance(way, int) and way > 1 else None


def drawing(
    width: int, height: int, label: str, shapes: Iterable[Markup], kind: str = "chart"
) -> Markup:
    """Return an <svg> that scales with its column; `label` is for screen readers."""
    return Markup(
        '<svg class="{}" viewBox="0 0 {width} {}" style="max-width:{width}px" role="img"'
        ' aria-label="{}">{}</svg>'
    ).format(kind, height, label, Markup("").join(shapes), width=width)


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """Return a filled circle."""
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}">{}</circle>').format(
        kind, x, y, radius, _hint(title)
    )


def _accuracy_chart(run: Run, epochs: Floats) -> Markup:
    frame = Frame((float(epochs.min()), float(epochs.max())), (0.0, 1.0))
    trained, validated = run.metrics["train_accuracy"], run.metrics["val_accuracy"]
    half = run.metrics["val_ci95"]
    shapes = [frame.axes(_whole_ticks(*frame.x), PERCENT_TICKS)]
    for role, kind in (("train", "one"), ("validation", "two")):
        chance = chance_of(run, role)
        if chance is not None:
            name = f"chance, {role}: {100 * chance:.1f} %"
            shapes.append(frame.level(chance, f"chance {kind}", name))
    low, high = np.clip(validated - half, 0, 1), np.clip(validated + half, 0, 1)
    shapes.append(frame.band(epochs, low, high, "two"))
    shapes.append(frame.path(epochs, trained, "one", "training"))
    shapes.append(frame.path(epochs, validated, "two", "validation, with its 95 % interval"))
    return drawing(frame.width, frame.height, f"accuracy over the epochs of {run.name}", shapes)


def _loss_chart(run: Run, epochs: Floats) -> Markup:
    """Return both losses on a logarithmic scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = [np.log10(run.metrics[key]) for key in ("train_loss", "val_loss")]
    there = np.concatenate([loss[np.isfinite(loss)] for loss in losses])
    if not len(there):
        return Markup("")
    low, high = float(there.min()), float(there.max())
    low, high = (low, high) if high - low > 0.2 else (low - 0.1, high + 0.1)
    frame = Frame((float(epochs.min()), float(epochs.max())), (low, high))
    ticks = [(tick, f"{10**tick:.3g}") for tick in np.linspace(low, high, 4)]
    shapes = [frame.axes(_whole_ticks(*frame.x), ticks)]
    shapes.append(frame.path(epochs, losses[0], "one", "training"))
    shapes.append(frame.path(epochs, losses[1], "two", "validation"))
    return drawing(frame.width, frame.height, f"loss over the epochs of {run.name}", shapes)


def _overlay(runs: Sequence[Run], chance: float) -> Markup:
    """Return one line a run over a common axis, nothing where no run has two epochs."""
    epochs = [run.metrics["epoch"] for run in runs]
    if not epochs or max(map(len, epochs)) < 2:
        return Markup("")
    low, high = min(map(np.min, epochs)), max(map(np.max, epochs))
    best = max(np.nanmax(run.metrics["val_accuracy"], initial=0.0) for run in runs)
    top = min(1.0, math.ceil(4 * float(best) + 1e-9) / 4 or 0.25)  # the next quarter
    frame = Frame((float(low), float(high)), (0.0, top), 460, 230)
    ticks = [tick for tick in PERCENT_TICKS if tick[0] <= frame.y[1]]
    shapes = [frame.axes(_whole_ticks(*frame.x, 8), ticks)]
    shapes.append(frame.level(chance, "chance", f"chance {100 * chance:.1f} %"))
    for place, run in reversed(list(enumerate(runs))):
        kind = f"c{place}" if place < COLOURED else "faint"
        title = f"{run.number} {run.name}"
        shapes.append(frame.path(run.metrics["epoch"], run.metrics["val_accuracy"], kind, title))
    return drawing(frame.width, frame.height, "validation accuracy over the epochs", shapes)


def _thinned(kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most MOST_POINTS of some places, evenly spaced, first and last among them."""
    if len(kept) <= MOST_POINTS:
        return kept
    return np.asarray(kept[np.unique(np.linspace(0, len(kept) - 1, MOST_POINTS).astype(int))])


def _text(x: float, y: float, content: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, content
    )


def _hint(title: str) -> Markup:
    """Return the text that a browser shows over a shape."""
    return Markup("<title>{}</title>").format(title) if title else Markup("")


def _whole_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Return at most `most` + 1 whole numbers from low to high with their names."""
    span = max(1.0, high - low)
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    step = next(step for step in steps if span / step <= most)
    first = int(np.ceil(low / step)) * step
    return [(float(tick), str(tick)) for tick in range(first, int(high) + 1, step)]
