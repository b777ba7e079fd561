"""Protocols that draw episodes: a table of faces and a shape with its random stream.

Each is loaded and checked whole before the first image is decoded, so a mistake in the last test
costs no training.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EpisodesConfig, EvalConfig, TrainVerb, supervised_epochs
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.table import balanced_rows
from fewshot_fer.episodes.pool import EpisodePool, Shape, build_pool
from fewshot_fer.episodes.sampler import Episodes, draw_episodes
from fewshot_fer.episodes.saved import load_episodes, table_digest


@dataclass(frozen=True)
class EpisodicProtocol:
    """A table of faces, the shape of the episodes drawn from it, and what they are drawn for."""

    role: str  # train, validation or test
    name: str  # first half of the title, also the random stream of its episodes
    dataset: str
    table: pd.DataFrame
    shape: Shape
    n_episodes: int
    pool: EpisodePool
    loaded: Episodes | None = None  # asked in the place of drawn ones

    @property
    def n_way(self) -> int:
        return self.shape.n_way

    @property
    def title(self) -> str:
        return f"{self.name}_{self.shape.n_way}w{self.shape.k_shot}s"

    @cached_property
    def table_digest(self) -> str:
        """What tells the table; made once, as it takes longer than an epoch of a GPU's episodes."""
        return table_digest(self.table)

    def draw(self, seed: int, epoch: int = 0) -> Episodes:
        """Return episodes; each role, title and epoch has a random stream of its own."""
        if self.loaded is not None:
            return self.loaded
        return draw_episodes(self.pool, self.shape, self.n_episodes, seed, self.stream, epoch)

    @property
    def stream(self) -> str:
        return f"{self.role}/{self.title}"


def supervised_protocol(protocol: EpisodicProtocol) -> EpisodicProtocol:
    """Return the protocol of passes over the training images: all classes at once, no support."""
    return replace(protocol, shape=Shape(len(protocol.pool.class_names), 0, 1), n_episodes=1)


def training_protocol(
    settings: TrainVerb, source: Source, held_out: NDArray[np.int64] | None = None
) -> EpisodicProtocol:
    """Return what is learnt from, without the rows that are held out as a fixed support.

    Raises DataError or EpisodeError, as loading and drawing do.
    """
    train = settings.train
    table = load_dataset(settings.dataset, source)
    shape, count = Shape(train.n_way, train.k_shot, train.n_query), train.episodes_per_epoch
    if supervised_epochs(settings) == train.epochs:  # no episodes are drawn
        shape, count = Shape(table["label"].nunique(), 0, 1), 1
    rows, name = np.arange(len(table)), settings.dataset.adapter
    if held_out is not None and len(held_out):
        rows = np.setdiff1d(rows, held_out)
        name += f" ({len(held_out)} images set aside as support)"
    if settings.mix.per_class is not None:
        rows = balanced_rows(table, rows, settings.mix.per_class, settings.seed)
    return _build_protocol(
        ("train", "train"),
        (settings.dataset.adapter, table),
        (shape, count),
        settings.episodes,
        rows,
        what=f"train on {name}, {shape}",
    )


def evaluation_protocol(
    role: str, settings: EvalConfig, episodes: EpisodesConfig, source: Source
) -> EpisodicProtocol:
    """Return what is validated (`role` validation) or tested on (`role` test) in episodes."""
    table = load_dataset(settings.dataset, source)
    shape = Shape(settings.n_way, settings.k_shot, settings.n_query)
    drawing = _build_protocol(
        (role, settings.name),
        (settings.dataset.adapter, table),
        (shape, settings.episodes),
        episodes,
        what=f"{role} on {settings.dataset.adapter}, {shape}",
    )
    if episodes.load is None:
        return drawing
    file = Path(episodes.load).expanduser()
    return replace(drawing, loaded=load_episodes(file, drawing.stream, table, shape))


def _build_protocol(
    names: tuple[str, str],
    dataset: tuple[str, pd.DataFrame],
    drawn: tuple[Shape, int],
    episodes: EpisodesConfig,
    rows: NDArray[np.int64] | None = None,
    what: str = "",
) -> EpisodicProtocol:
    (adapter, table), (shape, n_episodes) = dataset, drawn
    pool = build_pool(
        table,
        shape,
        disjoint=episodes.disjoint,
        skip_small_classes=episodes.skip_small_classes,
        what=what,
        rows=rows,
    )
    return EpisodicProtocol(*names, adapter, table, shape, n_episodes, pool)
