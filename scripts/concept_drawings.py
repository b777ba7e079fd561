"""Draw the pictures of docs/concepts.md from drawn faces, with matplotlib.

python scripts/concept_drawings.py            # writes docs/pictures/*.png, each below 60 kB
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from contact_sheet import faces
from PIL import Image

from fewshot_fer.data.labels import BASIC, COMPOUND
from fewshot_fer.evaluation.metrics import group_interval, mean_interval
from fewshot_fer.system.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUT = Path(__file__).resolve().parents[1] / "docs/pictures"
LARGEST = 60_000
COLOURS = ("#c2571a", "#2a6f97", "#4f772d", "#7b2d8b")
GREY = "#666666"
FACE_PIXELS = 72
Cell = tuple[float, float]


def canvas(width: float, height: float) -> tuple["Figure", "Axes"]:
    """Return a figure, and axes without ticks in which one unit is one face."""
    figure = new_figure(0.8 * width, 0.8 * height, dpi=100)
    axes = figure.subplots()
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    return figure, axes


def show(axes: "Axes", image: Image.Image, place: Cell, colour: str = "white") -> None:
    """Put a face with its upper left corner at x, y, in a frame of a colour."""
    x, y = place
    small = image.resize((FACE_PIXELS, FACE_PIXELS), Image.Resampling.LANCZOS)
    axes.imshow(np.asarray(small), extent=(x + 0.05, x + 0.95, y + 0.95, y + 0.05), zorder=2)
    corners = ([x + 0.05, x + 0.95, x + 0.95, x + 0.05], [y + 0.05, y + 0.05, y + 0.95, y + 0.95])
    axes.fill(*corners, fill=False, edgecolor=colour, linewidth=2.5, zorder=3)


def note(axes: "Axes", place: Cell, text: str, **how: Any) -> None:  # noqa: ANN401
    """Write text at x, y, centred unless told otherwise."""
    told: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10, "color": "black"} | how
    axes.text(*place, text, **told)


def bracket(axes: "Axes", start: Cell, end: Cell, text: str) -> None:
    """Draw a line with two arrowheads and its name above it, or left of it where it is upright."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "<->", "color": GREY})
    upright = start[0] == end[0]
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    place = (middle[0] - 0.15, middle[1]) if upright else (middle[0], middle[1] - 0.18)
    note(axes, place, text, rotation=90 if upright else 0, color=GREY)


def drawn_faces() -> "Figure":
    """Return the basic classes, seven compound ones, and seven frames of a clip."""
    figure, axes = canvas(7.0, 4.2)
    clip = faces("surprise", range(221, 222), "000000000", len(BASIC))
    for column, (basic, compound) in enumerate(zip(BASIC, COMPOUND, strict=False)):
        person = range(90 + column, 91 + column)
        for row, (label, picture) in enumerate(
            ((basic, faces(basic, person)[0]), (compound, faces(compound, person)[0]))
        ):
            show(axes, picture, (column, 1.4 * row))
            note(axes, (column + 0.5, 1.4 * row + 1.15), label.replace(" ", "\n"), fontsize=7.5)
        show(axes, clip[column], (column, 2.8))
    note(axes, (3.5, 3.95), "seven frames of one clip", fontsize=7.5)
    return figure


def episode() -> "Figure":
    """Return a 3-way 2-shot episode with two queries a class."""
    labels = ("happiness", "anger", "surprise")
    figure, axes = canvas(8.0, 4.2)
    for row, label in enumerate(labels):
        pictures = faces(label, range(10 * row, 10 * row + 4))
        for column, picture in enumerate(pictures):
            x = 1.9 + column + (1.4 if column >= 2 else 0)
            show(axes, picture, (x, 0.9 + row), COLOURS[row] if column < 2 else "#bbbbbb")
        note(axes, (1.8, 1.4 + row), label, ha="right", color=COLOURS[row])
    bracket(axes, (1.95, 0.78), (3.85, 0.78), "2 shots")
    bracket(axes, (5.35, 0.78), (7.25, 0.78), "2 queries a class")
    bracket(axes, (0.45, 0.95), (0.45, 3.85), "3 ways (classes)")
    note(axes, (2.9, 0.15), "support: labels are known", weight="bold")
    note(axes, (6.3, 0.15), "query: labels are to be found", weight="bold")
    note(axes, (4.6, 2.4), "→", fontsize=20, color=GREY)
    return figure


def way_and_shot() -> "Figure":
    """Return three supports: more ways are harder, more shots are easier."""
    labels = ("happiness", "anger", "surprise", "sadness")
    figure, axes = canvas(8.6, 5.0)
    left = 0.2
    for way, shot, title in (
        (2, 1, "2-way 1-shot"),
        (4, 1, "4-way 1-shot"),
        (4, 4, "4-way 4-shot"),
    ):
        width = max(shot, 1.4)
        for row, label in enumerate(labels[:way]):
            for column, picture in enumerate(faces(label, range(20 * row, 20 * row + shot))):
                show(axes, picture, (left + column + (width - shot) / 2, 0.7 + row), COLOURS[row])
        note(axes, (left + width / 2, 0.2), title, weight="bold")
        note(axes, (left + width / 2, 4.85), f"chance {100 // way} %", color=GREY)
        left += width + 0.6
    return figure


def prototype() -> "Figure":
    """Return embeddings of three classes, their means, and a query that is nearest to one."""
    random = np.random.default_rng(3)
    figure = new_figure(6.0, 3.8, dpi=100)
    axes = figure.subplots()
    centres = np.array([[0.0, 0.0], [3.2, 0.6], [1.4, 2.6]])
    query = np.array([1.9, 1.0])
    names = ("happiness", "anger", "surprise")
    for centre, colour, name in zip(centres, COLOURS, names, strict=False):
        support = centre + random.normal(0, 0.45, (5, 2))
        mean = support.mean(axis=0)
        axes.scatter(support[:, 0], support[:, 1], color=colour, s=40, label=f"{name}, 5 shots")
        axes.scatter(mean[0], mean[1], color=colour, s=260, marker="*", edgecolor="black", zorder=3)
        axes.plot(*zip(mean, query, strict=True), color=colour, linestyle=":", zorder=1)
        distance = float(np.linalg.norm(mean - query))
        axes.annotate(f"{distance:.1f}", (mean + query) / 2, fontsize=9, color=colour)
    axes.scatter(query[0], query[1], color="black", s=90, marker="X", label="query", zorder=4)
    axes.scatter([], [], color="white", s=160, marker="*", edgecolor="black", label="prototype")
    axes.set(xticks=[], yticks=[], aspect="equal", xlabel="embeddings, here of two dimensions")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, frameon=False)
    return figure


def fixed_support() -> "Figure":
    """Return one support of all classes, and every image of a data set as a query."""
    labels = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    figure, axes = canvas(10.4, 4.0)
    for number, label in enumerate(labels):
        picture = faces(label, range(50 + number, 51 + number))[0]
        show(axes, picture, (0.2 + number % 4, 0.9 + number // 4), "#2a6f97")
    for number in range(12):
        picture = faces(labels[number % 7], range(70 + number, 71 + number))[0]
        show(axes, picture, (5.6 + number % 4, 0.9 + number // 4), "#bbbbbb")
    note(
        axes, (2.2, 0.35), "support: K images of every class,\ntaken out of training", weight="bold"
    )
    note(axes, (7.6, 0.35), "query: every image of the test set,\neach exactly once", weight="bold")
    note(axes, (4.9, 2.4), "→", fontsize=20, color=GREY)
    note(axes, (10.0, 2.4), "…", fontsize=20, color=GREY)
    note(axes, (2.2, 3.3), "drawn five times:\nmean and spread over the draws", color=GREY)
    return figure


def clip_vote() -> "Figure":
    """Return the frames of a clip with their probabilities, and the mean that decides the clip."""
    frames = faces("surprise", range(221, 222), "000000000", 6)
    surprise = np.array([0.15, 0.30, 0.45, 0.60, 0.70, 0.65])
    neutral = np.array([0.70, 0.50, 0.35, 0.20, 0.10, 0.15])
    shares = np.stack([surprise, neutral, 1 - surprise - neutral])
    figure, axes = canvas(8.6, 3.6)
    names = ("surprise", "neutral", "fear")
    for column, picture in enumerate([*frames, None]):
        x = 0.2 + column + (1.0 if picture is None else 0)
        if picture is not None:
            show(axes, picture, (x, 0.5), "#bbbbbb")
        heights = shares.mean(axis=1) if picture is None else shares[:, column]
        for bar, height in enumerate(heights):
            place = x + 0.25 + 0.25 * bar
            axes.bar(place, -height * 1.5, 0.2, bottom=3.2, color=COLOURS[bar], zorder=2)
    note(axes, (3.2, 0.2), "one clip: each frame is classified", weight="bold")
    note(axes, (7.7, 0.85), "mean of the frames:\nsurprise", weight="bold")
    note(axes, (6.6, 2.4), "→", fontsize=20, color=GREY)
    for bar, name in enumerate(names):
        note(axes, (1.4 + 1.8 * bar, 3.45), f"■ {name}", color=COLOURS[bar])
    return figure


def intervals() -> "Figure":
    """Return the two intervals of the same 600 frames of 30 clips."""
    random = np.random.default_rng(1)
    of_clip = random.beta(1.2, 1.2, 30)  # frames of a clip are right or wrong together
    right = (random.random((30, 20)) < of_clip[:, None]).astype(float)
    clips = np.repeat(np.arange(30), 20)
    middle, near_low, near_high = mean_interval(right.ravel())
    low, high = group_interval(right.ravel(), np.ones(right.size), clips)
    figure = new_figure(7.2, 2.4, dpi=100)
    axes = figure.subplots()
    rows = (
        ("600 frames taken as independent", near_low, near_high, GREY),
        ("30 clips drawn anew (bootstrap)", low, high, COLOURS[0]),
    )
    for row, (name, left, right_end, colour) in enumerate(rows):
        axes.plot([100 * left, 100 * right_end], [row, row], color=colour, linewidth=4)
        axes.plot(100 * middle, row, "o", color="black", zorder=3)
        ends = f"{100 * left:.1f} to {100 * right_end:.1f} %"
        axes.annotate(f"{name}: {ends}", (100 * middle, row - 0.28), ha="center", fontsize=10)
    axes.set(ylim=(1.5, -0.6), yticks=[], xlabel="accuracy, %")
    axes.set_xlim(100 * low - 6, 100 * high + 6)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    return figure


DRAWINGS: Sequence[Callable[[], "Figure"]] = (
    drawn_faces,
    episode,
    way_and_shot,
    prototype,
    fixed_support,
    clip_vote,
    intervals,
)


def write(figure: "Figure", file: Path) -> None:
    """Write a PNG of as many colours as keep it below the limit."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    picture = Image.open(drawn).convert("RGB")
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, Image.Quantize.MEDIANCUT).save(file, optimize=True)
        if file.stat().st_size < LARGEST:
            break
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {colours} colours")


def main() -> None:
    """Draw all."""
    OUT.mkdir(exist_ok=True)
    for draw in DRAWINGS:
        write(draw(), OUT / f"{draw.__name__}.png")


if __name__ == "__main__":
    main()
