"""Protocols that draw episodes: a table of faces and a shape with its random stream.

A protocol is loaded and checked whole before the first image is decoded, so a mistake in the last
test costs no training.
"""

import logging
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EpisodesConfig, EvalConfig, TrainVerb, supervised_epochs
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.splits import balanced_rows
from fewshot_fer.data.table import group_keys
from fewshot_fer.episodes.pool import EpisodePool, Shape, build_pool
from fewshot_fer.episodes.sampler import Episodes, draw_episodes, join_episodes
from fewshot_fer.episodes.saved import (
    load_episodes,
    require_groups_apart,
    require_one_set,
    require_same_pictures,
    table_digest,
)


@dataclass(frozen=True)
class RunData:
    """What the protocols of one run have in common.

    training: the table of the training set, None where it is not at hand; level: of the log, for
    what a support leaves out.
    """

    source: Source
    rules: EpisodesConfig = field(default_factory=EpisodesConfig)
    seed: int = 0
    training: pd.DataFrame | None = None
    level: int = logging.WARNING


@dataclass(frozen=True)
class EpisodicProtocol:
    """A table of faces, the pool of the episodes drawn from it, and what they are drawn for."""

    role: str  # train, validation or test
    name: str  # first half of the title
    dataset: str
    table: pd.DataFrame
    n_episodes: int  # of each random stream
    pool: EpisodePool
    loaded: Episodes | None = None  # from a file, in the place of drawn ones
    warnings: tuple[str, ...] = ()  # of results.csv
    repeats: int = 1  # random streams

    @property
    def shape(self) -> Shape:
        return self.pool.shape

    @property
    def n_way(self) -> int:
        return self.shape.n_way

    @property
    def k_shot(self) -> int:
        return self.shape.k_shot

    @property
    def title(self) -> str:
        """The protocol as the tables of a run name it, `compound_4w5s` for one."""
        return f"{self.name}_{self.n_way}w{self.k_shot}s"

    @property
    def stream(self) -> str:
        """The random stream of its episodes, also their name in a file: `test/compound_4w5s`."""
        return f"{self.role}/{self.title}"

    @cached_property
    def table_digest(self) -> str:
        """The table's digest; made once, as it takes longer than an epoch of a GPU's episodes."""
        return table_digest(self.table)

    def draw(self, seed: int, epoch: int = 0) -> Episodes:
        """Return the episodes of a seed and epoch, those of one stream after another; each stream
        and epoch has others."""
        if self.loaded is not None:
            return self.loaded
        streams = [self.stream, *(f"{self.stream}/{n}" for n in range(2, self.repeats + 1))]
        return join_episodes(
            [draw_episodes(self.pool, self.n_episodes, seed, name, epoch) for name in streams]
        )


def training_protocol(
    settings: TrainVerb, source: Source, held_out: NDArray[np.int64] | None = None
) -> EpisodicProtocol:
    """Return the protocol of training, without the rows that are held out as a fixed support.

    Raises DataError or EpisodeError, as loading and drawing do.
    """
    train, name = settings.train, settings.dataset.adapter
    table = load_dataset(settings.dataset, source)
    shape, count = Shape(train.n_way, train.k_shot, train.n_query), train.episodes_per_epoch
    rules = settings.episodes
    if supervised_epochs(settings) == train.epochs:  # no episodes are drawn
        shape, count = Shape(table["label"].nunique(), 0, 1), 1
        rules = replace(rules, within="any")
    rows, what = np.arange(len(table)), name
    if held_out is not None and len(held_out):
        rows = np.setdiff1d(rows, held_out)
        what += f" ({len(held_out)} images set aside as support)"
    if settings.mix.per_set is not None:
        rows = balanced_rows(table, rows, settings.mix.per_set, settings.seed, by="dataset")
    if settings.mix.per_class is not None:
        rows = balanced_rows(table, rows, settings.mix.per_class, settings.seed)
    pool = build_pool(table, shape, rules, rows, f"train on {what}, {shape}")
    return EpisodicProtocol("train", "train", name, table, count, pool)


def supervised_protocol(protocol: EpisodicProtocol) -> EpisodicProtocol:
    """Return the protocol of passes over the training images: all classes at once, no support."""
    shape = Shape(len(protocol.pool.class_names), 0, 1)
    return replace(protocol, n_episodes=1, pool=replace(protocol.pool, shape=shape, sets=()))


def evaluation_protocol(role: str, settings: EvalConfig, data: RunData) -> EpisodicProtocol:
    """Return the protocol of a validation or a test (`role`) in episodes, loaded or to be drawn."""
    table = load_dataset(settings.dataset, data.source)
    shape = Shape(settings.n_way, settings.k_shot, settings.n_query)
    name = settings.dataset.adapter
    pool = build_pool(table, shape, data.rules, what=f"{role} on {name}, {shape}")
    protocol = EpisodicProtocol(role, settings.name, name, table, settings.episodes, pool)
    protocol = replace(protocol, repeats=settings.repeats)
    if data.rules.load is None:
        return protocol
    file = Path(data.rules.load).expanduser()
    loaded = load_episodes(file, protocol.stream, table, shape)
    where = f"{protocol.stream} in {file}"
    if data.rules.disjoint == "group":
        require_groups_apart(loaded, group_keys(table), where)
    if data.rules.within == "set":
        require_one_set(loaded, table["dataset"], where)
    require_same_pictures(file, protocol.stream, table["path"].tolist())
    return replace(protocol, loaded=loaded)
