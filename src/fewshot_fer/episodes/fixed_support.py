"""Protocols with a fixed support: every image of a data set is a query, all classes at once.

Episodes measure how well few shots separate a few classes. This measures what a user meets: every
evaluation image against all classes, with a support that is drawn a few times to see how much it
matters.
"""

import hashlib
import logging
import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EvalConfig
from fewshot_fer.data.load import load_dataset
from fewshot_fer.episodes.protocol import RunData
from fewshot_fer.episodes.saved import table_digest
from fewshot_fer.system.errors import EpisodeError

log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class FixedSupport:
    """class_names: in label order; rows [draws, way, shot]: rows of the table drawn from."""

    class_names: tuple[str, ...]
    rows: NDArray[np.int64]

    def images(self) -> NDArray[np.int64]:
        """Return the distinct rows of all draws, ascending: what training must not see."""
        return np.unique(self.rows)


@dataclass(frozen=True)
class FixedProtocol:
    """table: the queries; support: its rows are those of support_table."""

    role: str  # validation or test
    name: str  # first half of the title
    dataset: str
    table: pd.DataFrame
    support_table: pd.DataFrame
    support: FixedSupport
    vote: str  # how frames decide a clip: probability, embedding or majority

    @property
    def k_shot(self) -> int:
        return int(self.support.rows.shape[2])

    @property
    def n_way(self) -> int:
        return len(self.support.class_names)

    @property
    def title(self) -> str:
        """The protocol as the tables of a run name it, `afew_fixed50` for one."""
        return f"{self.name}_fixed{self.k_shot}"

    @cached_property
    def episodes_id(self) -> str:
        """16 hex digits that are equal for equal supports and queries."""
        digest = hashlib.sha256(table_digest(self.table).encode())
        digest.update(table_digest(self.support_table).encode())
        digest.update(self.support.rows.tobytes())
        return digest.hexdigest()[:16]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class number of every query, in the order of the support's class names."""
        names = list(self.support.class_names)
        return pd.Categorical(self.table["label"], categories=names).codes.astype(np.int64)

    @property
    def support_paths(self) -> pd.Series:
        """The paths of the support images of all draws."""
        return self.support_table["path"].iloc[self.support.images()]


def fixed_protocol(role: str, settings: EvalConfig, data: RunData) -> FixedProtocol:
    """Return a protocol with a support from the training set or, with support_split, its own set.

    Images that are support of any draw are no queries. Raises EpisodeError where a class is too
    small for the support, unless the rules skip such classes on both sides, and where the queries
    have a class that the support has not.
    """
    name, k_shot = settings.dataset.adapter, settings.k_shot
    queries = load_dataset(settings.dataset, data.source)
    support_table, where = data.training, "the training set"
    if settings.support_split is not None:
        own = replace(settings.dataset, split=settings.support_split)
        support_table, where = load_dataset(own, data.source), f"split {settings.support_split}"
    assert support_table is not None
    what = f"{role} on {name}, support from {where}"
    support_table = support_table.reset_index(drop=True)
    if data.rules.skip_small_classes:
        support_table, queries = _without_small(support_table, queries, k_shot, what)
    support = draw_fixed_support(support_table, k_shot, settings.support_draws, data.seed, what)
    unknown = sorted(set(queries["label"]) - set(support.class_names))
    if unknown:
        raise EpisodeError(
            f"{what}: no support for {', '.join(unknown)}; the support has "
            f"{', '.join(support.class_names)}. Take it from the same data set with support_split="
        )
    protocol = FixedProtocol(
        role, settings.name, name, queries, support_table, support, settings.vote
    )
    return _without_support(protocol, what)


def draw_fixed_support(
    table: pd.DataFrame, k_shot: int, draws: int, seed: int, what: str
) -> FixedSupport:
    """Draw k_shot images of every class, `draws` times; a function of table and seed.

    A draw has no image twice; two draws may share some. Raises EpisodeError naming `what` and the
    classes with fewer images.
    """
    class_names = tuple(sorted(table["label"].unique()))
    counts = table["label"].value_counts()
    small = [f"'{name}' has {counts[name]}" for name in class_names if counts[name] < k_shot]
    if small:
        raise EpisodeError(
            f"{what}: a fixed support of {k_shot} images a class needs that many: "
            f"{'; '.join(small)}. Ask for fewer with k_shot=, or leave such classes out with "
            f"episodes.skip_small_classes=true"
        )
    random = np.random.default_rng([seed, zlib.crc32(b"fixed support")])
    members = [np.flatnonzero(table["label"] == name) for name in class_names]
    rows = [
        [random.choice(own, size=k_shot, replace=False) for own in members] for _ in range(draws)
    ]
    return FixedSupport(class_names, np.array(rows, dtype=np.int64))


def _without_small(
    support_table: pd.DataFrame, queries: pd.DataFrame, k_shot: int, what: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables without the classes that have fewer than k_shot images of support."""
    counts = support_table["label"].value_counts()
    small = sorted(counts.index[counts < k_shot])
    if not small:
        return support_table, queries
    if len(small) == len(counts):
        raise EpisodeError(f"{what}: no class has {k_shot} images. Ask for fewer with k_shot=")
    log.warning("%s: left out, fewer than %d images: %s", what, k_shot, ", ".join(small))
    kept = queries[~queries["label"].isin(small)].reset_index(drop=True)
    return support_table[~support_table["label"].isin(small)].reset_index(drop=True), kept


def _without_support(protocol: FixedProtocol, what: str) -> FixedProtocol:
    """Return the protocol without the queries that are support images of any draw."""
    queries = protocol.table
    both = queries["path"].isin(set(protocol.support_paths))
    if both.all():
        raise EpisodeError(f"{what}: every image of the evaluation would be in the support")
    if both.any():
        log.warning("%s: %d images are support and not asked", what, int(both.sum()))
    return replace(protocol, table=queries[~both].reset_index(drop=True))
