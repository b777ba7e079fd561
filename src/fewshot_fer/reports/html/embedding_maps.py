"""Draw the embeddings of a run's pictures in two dimensions: t-SNE and principal components.

For the best run of each group a sample of its queries' pictures is embedded anew, with the
run's own weights, and drawn as inline SVG: a point a picture, coloured by class.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from fewshot_fer.reports.html.charts import drawing
from fewshot_fer.reports.html.collect import Run
from fewshot_fer.reports.html.groups import Group, ResultKey
from fewshot_fer.reports.html.mistakes import Copies, decoded_or_none
from fewshot_fer.system.errors import DataError, RunError, UserError
from fewshot_fer.system.progress import tqdm

Floats = NDArray[np.float64]
MAPS = 4  # in a page: one for each of so many groups, of its best run
TRIED = 12  # groups, where weights or pictures are gone
POINTS = 280  # of a map
PERPLEXITY = 30.0  # about how many neighbours of a point t-SNE keeps
WIDTH, HEIGHT, MARGIN = 560, 420, 26  # pixels


@dataclass(frozen=True)
class Map:
    """Two projections of a run's embeddings.

    t_sne, pca [N, 2]; labels, paths [N]; right [N]: share of a picture's queries classified
    rightly; explained: share of the variance in pca; gone: pictures that could not be read.
    """

    run: Run
    role: str
    protocol: str
    t_sne: Floats
    pca: Floats
    labels: list[str]
    paths: list[str]
    right: list[float]
    explained: float
    gone: int

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of their colours."""
        return sorted(set(self.labels))


def make_maps(
    groups: Sequence[Group], counts: Mapping[ResultKey, pd.DataFrame]
) -> tuple[list[Map], list[str]]:
    """Return a map for the best run of each group, and a line for each that cannot be made.

    counts: how often pictures were queries and classified rightly, as from `read_counts`.
    """
    chosen: dict[tuple[int, str, str], tuple[Run, str, str, pd.DataFrame]] = {}
    for group in groups:
        row, run = group.best.row, group.best.run
        own = counts.get(group.best.key)
        if own is not None and row["role"] != "train":
            where = (run.number, row["role"], row["protocol"])
            chosen.setdefault(where, (run, row["role"], row["protocol"], own))
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


def make_map(run: Run, role: str, protocol: str, counts: pd.DataFrame) -> Map:
    """Embed a sample of the queries' pictures, as many of each class. Raises UserError."""
    folder, which = run.folder, str(run.settings.get("train.tested") or "best")
    if run.verb == "test":
        folder, which = Path(run.tested).expanduser(), str(run.summary.get("checkpoint") or "best")
    if not (folder / f"{which}.pt").is_file():  # torch takes seconds to import
        raise RunError(f"{folder} holds no {which}.pt")
    sample = _sample(counts)
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


def t_sne(vectors: Floats) -> Floats:
    """Return [N, 2] in which neighbours stay neighbours; distances between clusters mean little.

    The same vectors always give the same map. Fewer than five points, or equal ones, have no
    neighbours to speak of and are placed by their principal components.
    """
    if len(vectors) < 5 or not np.ptp(vectors, axis=0).any():
        return principal_components(vectors)[0]
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):  # for some hundreds of points, threads cost more than they save
        made = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors)
    return np.asarray(made, dtype=np.float64)


def principal_components(vectors: Floats) -> tuple[Floats, float]:
    """Return [N, 2], the projection on the two directions of largest variance, and their share."""
    from sklearn.decomposition import PCA

    padded = np.pad(vectors, ((0, 0), (0, max(0, 2 - vectors.shape[1]))))
    with np.errstate(invalid="ignore"):  # equal vectors have no variance to share
        found = PCA(2, svd_solver="full").fit(padded)
    return found.transform(padded), float(np.nan_to_num(found.explained_variance_ratio_.sum()))


def embed_pictures(folder: Path, which: str, paths: Sequence[str]) -> tuple[Floats, list[int]]:
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
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(decoded_or_none, paths, repeat(checkpoint.image_size)))
    found = {place: pixels for place, pixels in enumerate(decoded) if pixels is not None}
    if not found:
        return np.zeros((0, 1)), []
    vectors = embedder.embed_pixels(np.stack(list(found.values()))).double().numpy()
    if not np.isfinite(vectors).all():
        raise RunError(f"{which}.pt gives embeddings that are no numbers")
    return vectors, list(found)


def map_chart(one: Map, copies: Copies) -> Markup:
    """Return both projections over one another; the page shows one of them at a time."""
    numbers = [copies.number(path) for path in one.paths]
    layers = []
    for kind, places in (("tsne", one.t_sne), ("pca", one.pca)):
        at = _scaled(places)
        points = [_point(one, place, at, numbers) for place in range(len(at))]
        layers.append(Markup('<g class="layer {}">{}</g>').format(kind, Markup("").join(points)))
    label = f"map of the embeddings of {len(one.labels)} pictures"
    return drawing(WIDTH, HEIGHT, label, layers, "chart map")


def _sample(counts: pd.DataFrame) -> pd.DataFrame:
    """Return some pictures of each class, the same ones every time."""
    classes = counts["label"].nunique()
    each = max(1, POINTS // max(1, classes))
    shuffled = counts.sample(frac=1, random_state=0)
    return shuffled.groupby("label", sort=False).head(each).sort_index()


def _scaled(places: Floats) -> Floats:
    """Return places in pixels, without the outermost hundredth stretching all the rest."""
    low, high = np.percentile(places, 1, axis=0), np.percentile(places, 99, axis=0)
    span = np.where(high > low, high - low, 1.0)
    inside = np.clip((places - low) / span, -0.03, 1.03)
    size = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    return np.asarray(MARGIN + inside * size, dtype=np.float64)


def _point(one: Map, place: int, at: Floats, numbers: list[int | None]) -> Markup:
    name, right, number = one.labels[place], one.right[place], numbers[place]
    kind = f"k{one.class_names.index(name) % 12}{' wrong' if right < 0.5 else ''}"
    copy = "" if number is None else number
    return Markup(
        '<circle class="point {}" cx="{:.1f}" cy="{:.1f}" r="5" data-p="{}" data-t="{}"/>'
    ).format(kind, *at[place], copy, f"{name}, right {100 * right:.0f} %")
