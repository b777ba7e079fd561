"""The map of embeddings as inline SVG: a point a picture, coloured by class."""

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fewshot_fer.reports.page.embeddings import Map
from fewshot_fer.reports.page.pictures import Pictures
from fewshot_fer.reports.page.svg import drawing

WIDTH, HEIGHT, MARGIN = 560, 420, 26


def map_chart(one: Map, pictures: Pictures) -> Markup:
    """Return both projections over one another; the page shows one of them at a time."""
    names = class_names(one)
    numbers = [pictures.number(path) for path in one.paths]
    layers = []
    for kind, places in (("tsne", one.t_sne), ("pca", one.pca)):
        at = _scaled(places)
        points = [_point(one, place, at, names, numbers) for place in range(len(at))]
        layers.append(Markup('<g class="layer {}">{}</g>').format(kind, Markup("").join(points)))
    said = f"map of the embeddings of {len(one.labels)} pictures"
    return drawing(WIDTH, HEIGHT, said, layers, "chart map")


def _scaled(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places in pixels, without the outermost hundredth stretching all the rest."""
    low, high = np.percentile(places, 1, axis=0), np.percentile(places, 99, axis=0)
    span = np.where(high > low, high - low, 1.0)
    inside = np.clip((places - low) / span, -0.03, 1.03)
    size = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    return np.asarray(MARGIN + inside * size, dtype=np.float64)


def _point(
    one: Map, place: int, at: NDArray[np.float64], names: list[str], numbers: list[int | None]
) -> Markup:
    name, right, number = one.labels[place], one.right[place], numbers[place]
    said = f"{name}, right {100 * right:.0f} %"
    wrong = " wrong" if right < 0.5 else ""
    return Markup(
        '<circle class="point k{}{}" cx="{:.1f}" cy="{:.1f}" r="5" data-p="{}" data-t="{}"/>'
    ).format(
        names.index(name) % 12,
        wrong,
        at[place, 0],
        at[place, 1],
        "" if number is None else number,
        said,
    )


def class_names(one: Map) -> list[str]:
    """Return the classes of a map in the order of their colours."""
    return sorted(set(one.labels))
