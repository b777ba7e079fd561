"""A map of what a run's encoder makes of the pictures that it was asked."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from fewshot_fer.data.decode import decode
from fewshot_fer.errors import DataError, RunError, UserError
from fewshot_fer.reports.page.collect import Run
from fewshot_fer.reports.page.comparable import Group
from fewshot_fer.reports.page.tsne import principal_components, t_sne

MAPS = 4  # in a page: one for each of so many groups, of its best run
TRIED = 12  # groups, where weights or pictures are gone
POINTS = 280  # of a map
BATCH = 64  # pictures a forward
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

    from fewshot_fer.checkpoints import load_checkpoint
    from fewshot_fer.kept_encoder import with_kept_encoder
    from fewshot_fer.run_settings import read_run_settings
    from fewshot_fer.trained import build_evaluation

    checkpoint = load_checkpoint(folder / f"{which}.pt")
    settings = with_kept_encoder(read_run_settings(folder), folder)
    embedder, _ = build_evaluation(settings, checkpoint, torch.device("cpu"), f"{which}.pt")
    pixels, kept = _decoded(paths, checkpoint.image_size)
    if not kept:
        return np.zeros((0, 1)), []
    starts = range(0, len(kept), BATCH)
    parts = [embedder.embed_pixels(torch.from_numpy(pixels[s : s + BATCH])) for s in starts]
    vectors = torch.cat(parts).double().numpy()
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
