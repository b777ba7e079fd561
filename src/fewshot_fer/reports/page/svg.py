"""Inline SVG: frames, axes, lines. Colours and widths come from style.css by class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_POINTS = 160  # of a line; a screen shows no more


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
        span = (self.x[1] - self.x[0]) or 1.0
        return self.left + (x - self.x[0]) / span * (self.width - self.left - 8)

    def down(self, y: float) -> float:
        span = (self.y[1] - self.y[0]) or 1.0
        return 8 + (self.y[1] - y) / span * (self.height - self.bottom - 8)

    def path(self, x: Floats, y: Floats, kind: str, title: str = "") -> Markup:
        """Return a line through the points whose y is a number."""
        kept = np.flatnonzero(np.isfinite(y))
        kept = (
            kept[np.unique(np.linspace(0, len(kept) - 1, MOST_POINTS).astype(int))]
            if len(kept) > MOST_POINTS
            else kept
        )
        points = " ".join(f"{self.across(x[i]):.1f},{self.down(y[i]):.1f}" for i in kept)
        if len(kept) == 1:
            return dot(self.across(x[kept[0]]), self.down(y[kept[0]]), 2.5, f"dot {kind}", title)
        return Markup('<polyline class="line {}" points="{}">{}</polyline>').format(
            kind, points, hint(title)
        )

    def band(self, x: Floats, low: Floats, high: Floats, kind: str) -> Markup:
        """Return the area between two lines."""
        kept = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
        if len(kept) > MOST_POINTS:
            kept = kept[np.unique(np.linspace(0, len(kept) - 1, MOST_POINTS).astype(int))]
        there = [f"{self.across(x[i]):.1f},{self.down(high[i]):.1f}" for i in kept]
        back = [f"{self.across(x[i]):.1f},{self.down(low[i]):.1f}" for i in kept[::-1]]
        return Markup('<polygon class="band {}" points="{}"/>').format(kind, " ".join(there + back))

    def level(self, y: float, kind: str, title: str = "") -> Markup:
        """Return a horizontal line."""
        at = self.down(y)
        shape = Markup('<line class="level {}" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}">{}</line>')
        return shape.format(kind, self.left, self.width - 8, hint(title), y=at)

    def axes(
        self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]
    ) -> Markup:
        """Return a grid line and a label for each tick."""
        parts = [
            self.level(y, "grid") + text(self.left - 5, self.down(y) + 3.5, name, "end")
            for y, name in y_ticks
        ]
        below = self.height - self.bottom + 15
        parts += [text(self.across(x), below, name, "middle") for x, name in x_ticks]
        return Markup("").join(parts)


def drawing(
    width: int, height: int, label: str, parts: Iterable[Markup], kind: str = "chart"
) -> Markup:
    """Return an <svg> that scales with its column; `label` is what a screen reader says."""
    return Markup(
        '<svg class="{}" viewBox="0 0 {width} {}" style="max-width:{width}px" role="img"'
        ' aria-label="{}">{}</svg>'
    ).format(kind, height, label, Markup("").join(parts), width=width)


def text(x: float, y: float, content: str, anchor: str = "start", kind: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, content
    )


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}">{}</circle>').format(
        kind, x, y, radius, hint(title)
    )


def hint(title: str) -> Markup:
    """Return what a browser shows over a shape."""
    return Markup("<title>{}</title>").format(title) if title else Markup("")


def whole_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Return at most `most` + 1 whole numbers from low to high with their names."""
    span = max(1.0, high - low)
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    step = next(step for step in steps if span / step <= most)
    first = int(np.ceil(low / step)) * step
    return [(float(tick), str(tick)) for tick in range(first, int(high) + 1, step)]


PERCENT_TICKS = [(share, f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
