"""A map of what a run's encoder makes of the pictures that it was asked.

The map of embeddings as inline SVG: a point a picture, coloured by class.

Two dimensions for embeddings: principal components, and t-SNE.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from tqdm import tqdm

from fewshot_fer.data.decode import decode
from fewshot_fer.reports.html.charts import drawing
from fewshot_fer.reports.html.collect import Run
from fewshot_fer.reports.html.groups import Group
from fewshot_fer.reports.html.thumbnails import Pictures
from fewshot_fer.system.errors import DataError, RunError, UserError

Floats = NDArray[np.float64]
STEPS, EXAGGERATED = 1000, 250


def principal_components(vectors: Floats) -> tuple[Floats, float]:
    """Return [N, 2], the projection on the two directions of largest variance, and their share.

    The sign of a direction means nothing: its largest entry is made positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    first = np.zeros((2, vectors.shape[1]))
    first[: min(2, len(directions))] = directions[:2]
    signs = np.sign(first[np.arange(2), np.abs(first).argmax(axis=1)])
    total = float((sizes**2).sum())
    return centred @ (first * signs[:, None]).T, float(
        (sizes[:2] ** 2).sum()
    ) / total if total else 0.0


def t_sne(vectors: Floats, perplexity: float = 30.0) -> Floats:
    """Return [N, 2] in which neighbours stay neighbours; distances between clusters mean little.

    Exact t-SNE (van der Maaten and Hinton, JMLR 2008) from the principal components, so the same
    vectors always give the same map. Quadratic in N: for some hundreds of points, a second.
    """
    count = len(vectors)
    if count < 5:
        return principal_components(vectors)[0]
    near = _affinities(_squared_distances(vectors), min(perplexity, (count - 1) / 3))
    places = principal_components(vectors)[0]
    places = 1e-4 * places / (places[:, 0].std() or 1.0)
    speed, gain = np.zeros_like(places), np.ones_like(places)
    rate = max(count / 12 / 4, 50.0)
    for step in range(STEPS):
        exaggeration = 12.0 if step < EXAGGERATED else 1.0
        if step == EXAGGERATED:
            speed, gain = np.zeros_like(places), np.ones_like(places)
        slope = _gradient(places, exaggeration * near)
        against = speed * slope < 0
        gain = np.maximum(np.where(against, gain + 0.2, gain * 0.8), 0.01)
        speed = (0.5 if step < EXAGGERATED else 0.8) * speed - rate * gain * slope
        places = places + speed
    return np.asarray(places - places.mean(axis=0))


def _gradient(places: Floats, near: Floats) -> Floats:
    # Without products of matrices: for these sizes their threads cost more than they save.
    across, down = (side[:, None] - side for side in places.T)
    kernel = 1 / (1 + across * across + down * down)
    np.fill_diagonal(kernel, 0.0)
    pull = (near - np.maximum(kernel / kernel.sum(), 1e-12)) * kernel
    return np.asarray(
        4 * np.stack([(pull * across).sum(axis=1), (pull * down).sum(axis=1)], axis=1)
    )


def _squared_distances(vectors: Floats) -> Floats:
    squares = (vectors**2).sum(axis=1)
    crossed = vectors @ vectors.T
    return np.asarray(np.maximum(squares[:, None] + squares[None] - 2 * crossed, 0.0))


def _affinities(distances: Floats, perplexity: float) -> Floats:
    """Return symmetric probabilities [N, N] whose rows have this perplexity, by bisection."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    others -= others.min(axis=1, keepdims=True)  # else all underflows where all are far
    there = others[np.isfinite(others) & (others > 0)]
    scale = float(np.median(there)) if len(there) else 1.0
    low, high = np.full(len(others), -30.0), np.full(len(others), 30.0)  # log of the precision
    weights = np.zeros_like(others)
    for _ in range(60):
        middle = (low + high) / 2
        weights = np.exp(-np.exp(middle)[:, None] * others / scale)
        weights /= weights.sum(axis=1, keepdims=True)
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.asarray(np.maximum((weights + weights.T) / (2 * len(weights)), 1e-12))


MAPS = 4  # in a page: one for each of so many groups, of its best run
TRIED = 12  # groups, where weights or pictures are gone
POINTS = 280  # of a map
AskedBy = Mapping[tuple[int, str, str, str, str], pd.DataFrame]
"""Answers to pictures, by number of the run, role, protocol, method and level."""


@dataclass(frozen=True)
class Map:
    """t_sne, pca [N, 2]; labels, paths [N]; right [N]: share answered rightly; explained: share of
    the variance in the two principal components; gone: pictures that could not be read."""

    run: Run
    role: str
    protocol: str
    t_sne: NDArray[np.float64]
    pca: NDArray[np.float64]
    labels: list[str]
    paths: list[str]
    right: list[float]
    explained: float
    gone: int


def make_maps(groups: Sequence[Group], asked: AskedBy) -> tuple[list[Map], list[str]]:
    """Return a map for the best run of each group, and a line for each that cannot be made."""
    chosen: dict[tuple[int, str, str], tuple[Run, str, str, pd.DataFrame]] = {}
    for group in groups:
        row, run = group.best.row, group.best.run
        answers = asked.get((run.number, row["role"], row["protocol"], row["method"], row["level"]))
        if answers is not None and row["role"] != "train":
            where = (run.number, row["role"], row["protocol"])
            chosen.setdefault(where, (run, row["role"], row["protocol"], answers))
    maps: list[Map] = []
    problems: list[str] = []
    first = list(chosen.values())[:TRIED]
    for one in tqdm(first, desc="embedding pictures", leave=False, disable=None):
        if len(maps) == MAPS:
            break
        try:
            maps.append(make_map(*one))
        except UserError as error:
            problems.append(f"{one[0].name}: no map of embeddings for {one[1]} {one[2]}: {error}")
    return maps, problems


def make_map(run: Run, role: str, protocol: str, answers: pd.DataFrame) -> Map:
    """Embed a sample of the pictures asked, as many of each class. Raises UserError."""
    folder, which = _checkpoint_of(run)
    if not (folder / f"{which}.pt").is_file():  # torch takes seconds to import
        raise RunError(f"{folder} holds no {which}.pt")
    sample = _sample(answers)
    vectors, kept = embed_pictures(folder, which, [str(path) for path in sample.index])
    if len(kept) < 3:
        raise DataError(f"its pictures are gone, {sample.index[0]} for one")
    gone, sample = len(sample) - len(kept), sample.iloc[kept]
    projected, explained = principal_components(vectors)
    return Map(
        run,
        role,
        protocol,
        t_sne(vectors),
        projected,
        [str(label) for label in sample["label"]],
        [str(path) for path in sample.index],
        (sample["correct"] / sample["asked"]).tolist(),
        explained,
        gone,
    )


def _sample(answers: pd.DataFrame) -> pd.DataFrame:
    """Return some of each class, the same ones every time."""
    classes = answers["label"].nunique()
    each = max(1, POINTS // max(1, classes))
    shuffled = answers.sample(frac=1, random_state=0)
    return shuffled.groupby("label", sort=False, observed=True).head(each).sort_index()


def _checkpoint_of(run: Run) -> tuple[Path, str]:
    """Return the folder that holds a run's weights, and which of them it was tested with."""
    if run.verb == "train":
        return run.folder, str(run.settings.get("train.tested") or "best")
    tested = run.summary.get("run") or run.settings.get("run")
    return Path(str(tested)).expanduser(), str(run.summary.get("checkpoint") or "best")


def embed_pictures(
    folder: Path, which: str, paths: Sequence[str]
) -> tuple[NDArray[np.float64], list[int]]:
    """Return embeddings [K, D] of the pictures that can be read, and which of `paths` they are.

    The weights are those of `which`.pt. Raises UserError where there are none that fit.
    """
    import torch

    from fewshot_fer.runs.checkpoint import load_checkpoint
    from fewshot_fer.runs.config_file import read_run_settings, with_kept_encoder
    from fewshot_fer.runs.load import load_model

    checkpoint = load_checkpoint(folder / f"{which}.pt")
    settings = with_kept_encoder(read_run_settings(folder), folder)
    embedder = load_model(settings, checkpoint, torch.device("cpu"), f"{which}.pt").embedder
    pixels, kept = _decoded(paths, checkpoint.image_size)
    if not kept:
        return np.zeros((0, 1)), []
    vectors = embedder.embed_pixels(pixels).double().numpy()
    if not np.isfinite(vectors).all():
        raise RunError(f"{which}.pt gives embeddings that are no numbers")
    return vectors, kept


def _decoded(paths: Sequence[str], size: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Return pixels [K, 3, size, size] of the pictures that are there, and which they are."""

    def decoded(path: str) -> NDArray[np.uint8] | None:
        try:
            return decode(path, size) if Path(path).is_file() else None
        except (DataError, OSError, ValueError):
            return None

    with ThreadPoolExecutor() as pool:
        pixels = list(pool.map(decoded, paths))
    kept = [place for place, picture in enumerate(pixels) if picture is not None]
    found = [picture for picture in pixels if picture is not None]
    return np.stack(found) if found else np.zeros((0, 3, size, size), dtype=np.uint8), kept


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
