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
from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.splits import balanced_rows
from fewshot_fer.data.table import group_keys, has_groups
from fewshot_fer.episodes.clips import ClipEpisodes, clips_of
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
    """A table of faces, the pool of the episodes drawn from it, and what they are drawn for.

    of_clips: what episodes are drawn from where they count clips; `table` and `pool` are then of
    the frames. None where they count images.
    """

    role: str  # train, validation or test
    name: str  # first half of the title
    dataset: str
    table: pd.DataFrame
    n_episodes: int  # of each random stream
    pool: EpisodePool
    loaded: Episodes | None = None  # from a file, in the place of drawn ones
    warnings: tuple[str, ...] = ()  # of results.csv
    of_clips: ClipEpisodes | None = None

    @property
    def drawn_from(self) -> EpisodePool:
        """The pool that episodes are drawn from: of images, or of clips."""
        return self.pool if self.of_clips is None else self.of_clips.pool

    @property
    def drawn_table(self) -> pd.DataFrame:
        """The table whose rows episodes hold: of images, or of clips."""
        return self.table if self.of_clips is None else self.of_clips.table

    @property
    def named_table(self) -> pd.DataFrame:
        """The same, where the path of a clip is its key, as answers.csv names it."""
        return self.table if self.of_clips is None else self.of_clips.named_table

    @property
    def whole_table(self) -> pd.DataFrame:
        """The table of all images, which where clips are counted may be more than are taken."""
        return self.table if self.of_clips is None else self.of_clips.whole

    @property
    def disjoint(self) -> str:
        """What support and query never share: `group` (clip, subject), or only `image`."""
        alone = self.of_clips is not None and not has_groups(self.of_clips.table)
        return "group" if alone else self.pool.disjoint

    repeats: int = 1  # random streams

    @property
    def shape(self) -> Shape:
        return self.drawn_from.shape

    @property
    def n_way(self) -> int:
        return self.shape.n_way

    @property
    def k_shot(self) -> int:
        return self.shape.k_shot

    @property
    def title(self) -> str:
        """The protocol as the tables of a run name it: compound_4w5s, or afew_clips_7w5s."""
        return protocol_title(self.name, self.n_way, self.k_shot, self.shape.unit)

    @property
    def stream(self) -> str:
        """The random stream of its episodes, also their name in a file: `test/compound_4w5s`."""
        return f"{self.role}/{self.title}"

    @cached_property
    def table_digest(self) -> str:
        """The table's digest; made once, as it takes longer than an epoch of a GPU's episodes."""
        return table_digest(self.drawn_table)

    def draw(self, seed: int, epoch: int = 0) -> Episodes:
        """Return the episodes of a seed and epoch, those of one stream after another; each stream
        and epoch has others."""
        if self.loaded is not None:
            return self.loaded
        streams = [self.stream, *(f"{self.stream}/{n}" for n in range(2, self.repeats + 1))]
        return join_episodes(
            [draw_episodes(self.drawn_from, self.n_episodes, seed, name, epoch) for name in streams]
        )

    def of_images(self) -> "EpisodicProtocol":
        """Return the protocol, or the one of the same shape that counts frames in place of clips.

        Whatever can be drawn of clips can be drawn of frames, as each clip has one.
        """
        return self if self.of_clips is None else replace(self, loaded=None, of_clips=None)


def protocol_title(name: str, n_way: int | str, k_shot: int | str, unit: str) -> str:
    """Return the title of a protocol in episodes.

    >>> protocol_title("afew", 7, 5, "clip"), protocol_title("afew", 7, 5, "image")
    ('afew_clips_7w5s', 'afew_7w5s')
    """
    return f"{name}_clips_{n_way}w{k_shot}s" if unit == "clip" else f"{name}_{n_way}w{k_shot}s"


def training_protocol(
    settings: TrainVerb, source: Source, held_out: NDArray[np.int64] | None = None
) -> EpisodicProtocol:
    """Return the protocol of training, without the rows that are held out as a fixed support.

    Raises DataError or EpisodeError, as loading and drawing do.
    """
    train, name = settings.train, settings.dataset.adapter
    table = load_dataset(settings.dataset, source)
    shape, count, rules = _shape_of(train), train.episodes_per_epoch, settings.episodes
    if supervised_epochs(settings) == train.epochs:  # no episodes are drawn
        shape, count = Shape(table["label"].nunique(), 0, 1), 1
        rules = replace(rules, within="any")
    rows, what = np.arange(len(table)), name
    if held_out is not None and len(held_out):
        rows = np.setdiff1d(rows, held_out)
        what += f" ({len(held_out)} images set aside as support)"
    what = f"train on {what}, {shape}"
    of_clips = None
    if shape.unit == "clip":
        clips = clips_of(table, rows, what, "train")
        picked = _balanced(clips.table, np.arange(len(clips.table)), settings)
        pool = build_pool(clips.table, shape, rules, picked, what)
        of_clips, rows = ClipEpisodes(clips, pool, table), clips.frames_of(pool.rows)
    else:
        rows = _balanced(table, rows, settings)
    pool = build_pool(table, replace(shape, unit="image"), rules, rows, what)
    return EpisodicProtocol("train", "train", name, table, count, pool, of_clips=of_clips)


def _balanced(
    table: pd.DataFrame, rows: NDArray[np.int64], settings: TrainVerb
) -> NDArray[np.int64]:
    """Return the rows, of each data set and class as many as the settings want."""
    mix, seed = settings.mix, settings.seed
    if mix.per_set is not None:
        rows = balanced_rows(table, rows, mix.per_set, seed, by="dataset")
    if mix.per_class is not None:
        rows = balanced_rows(table, rows, mix.per_class, seed)
    return rows


def supervised_protocol(protocol: EpisodicProtocol) -> EpisodicProtocol:
    """Return the protocol of passes over the training images: all classes at once, no support."""
    shape = Shape(len(protocol.pool.class_names), 0, 1)
    pool = replace(protocol.pool, shape=shape, sets=())
    return replace(protocol, n_episodes=1, pool=pool, of_clips=None)


def evaluation_protocol(role: str, settings: EvalConfig, data: RunData) -> EpisodicProtocol:
    """Return the protocol of a validation or a test (`role`) in episodes, loaded or to be drawn."""
    table = load_dataset(settings.dataset, data.source)
    shape, name = _shape_of(settings), settings.dataset.adapter
    what, of_clips, rows = f"{role} on {name}, {shape}", None, None
    if shape.unit == "clip":
        whole = table
        key = "eval" if role == "validation" else role
        clips = clips_of(whole, np.arange(len(whole)), what, key).sampled(settings.frames)
        taken, clips = clips.without_other_frames()
        table = whole.iloc[taken].reset_index(drop=True)
        pool = build_pool(clips.table, shape, data.rules, what=what)
        of_clips = ClipEpisodes(clips, pool, whole, settings.pooling, settings.vote)
        rows = clips.frames_of(pool.rows)
    pool = build_pool(table, replace(shape, unit="image"), data.rules, rows, what)
    protocol = EpisodicProtocol(
        role, settings.name, name, table, settings.episodes, pool, of_clips=of_clips
    )
    protocol = replace(protocol, repeats=settings.repeats)
    return protocol if data.rules.load is None else _with_saved(protocol, data.rules)


def _shape_of(settings: EvalConfig | TrainConfig) -> Shape:
    return Shape(settings.n_way, settings.k_shot, settings.n_query, settings.unit)


def _with_saved(protocol: EpisodicProtocol, rules: EpisodesConfig) -> EpisodicProtocol:
    """Return the protocol with the episodes of a file, which must be of its shape and data."""
    assert rules.load is not None
    file, table = Path(rules.load).expanduser(), protocol.drawn_table
    whole = protocol.whole_table
    loaded = load_episodes(file, protocol.stream, table, protocol.shape, whole)
    where = f"{protocol.stream} in {file}"
    if rules.disjoint == "group":
        require_groups_apart(loaded, group_keys(table), where)
    if rules.within == "set":
        require_one_set(loaded, table["dataset"], where)
    require_same_pictures(file, protocol.stream, whole["path"].tolist())
    return replace(protocol, loaded=loaded)
