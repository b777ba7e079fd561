"""A fixed support from the training side against every image: which images, and what they say.

Episodes tell how well few shots separate a few classes. This tells what a user would meet: all
classes at once, every evaluation image asked, the support drawn a few times to see how much it
matters.

The part of a data set whose every image is asked, against a fixed support.
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
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.episodes.saved import table_digest
from fewshot_fer.system.errors import EpisodeError


@dataclass(frozen=True)
class FixedSupport:
    """class_names: in label order; rows [draws, way, shot]: rows of the table drawn from."""

    class_names: tuple[str, ...]
    rows: NDArray[np.int64]

    def images(self) -> NDArray[np.int64]:
        """Return the distinct rows of all draws, ascending: what training must not see."""
        return np.unique(self.rows)


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


log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class FixedProtocol:
    """table: the queries; support: its rows are those of support_table."""

    role: str  # validation or test
    name: str
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
        return f"{self.name}_fixed{self.k_shot}"

    @cached_property
    def questions_id(self) -> str:
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


def fixed_protocol(
    role: str,
    settings: EvalConfig,
    training: pd.DataFrame,
    source: Source,
    seed: int,
    skip_small_classes: bool = False,
) -> FixedProtocol:
    """Return a protocol with a support from `training` or, with support_split, from its own data.

    Images that are support of any draw are not asked. Raises EpisodeError where a class is too
    small for the support, unless such classes are to be skipped on both sides, and where the
    queries have a class that the support has not.
    """
    queries = load_dataset(settings.dataset, source)
    support_table, where = training, "the training set"
    if settings.support_split is not None:
        own = replace(settings.dataset, split=settings.support_split)
        support_table, where = load_dataset(own, source), f"split {settings.support_split}"
    what = f"{role} on {settings.dataset.adapter}, support from {where}"
    support_table = support_table.reset_index(drop=True)
    if skip_small_classes:
        support_table, queries = _without_small(support_table, queries, settings.k_shot, what)
    support = draw_fixed_support(support_table, settings.k_shot, settings.support_draws, seed, what)
    unknown = sorted(set(queries["label"]) - set(support.class_names))
    if unknown:
        raise EpisodeError(
            f"{what}: no support for {', '.join(unknown)}; the support has "
            f"{', '.join(support.class_names)}. Take it from the same data set with support_split="
        )
    queries = _without_support(queries, support_table, support, what)
    return FixedProtocol(
        role,
        settings.name,
        settings.dataset.adapter,
        queries,
        support_table,
        support,
        settings.vote,
    )


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


def _without_support(
    queries: pd.DataFrame, support_table: pd.DataFrame, support: FixedSupport, what: str
) -> pd.DataFrame:
    """Return the queries that are no support image of any draw."""
    taken = set(support_table["path"].iloc[support.images()])
    both = queries["path"].isin(taken)
    if both.all():
        raise EpisodeError(f"{what}: every image of the evaluation would be in the support")
    if both.any():
        log.warning("%s: %d images are support and not asked", what, int(both.sum()))
    return queries[~both].reset_index(drop=True)
