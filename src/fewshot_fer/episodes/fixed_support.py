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
from fewshot_fer.data.table import group_keys
from fewshot_fer.episodes.protocol import RunData
from fewshot_fer.episodes.saved import table_digest
from fewshot_fer.system.errors import EpisodeError, SmallClassError

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
    """Queries and a support that is drawn a few times.

    table: the queries, images that are in no draw of the support; support: its rows are those of
    support_table; scored [draws, Q]: False where a query shares what is kept apart with the support
    of a draw, which then says nothing of it; disjoint: `group` or `image`, what is kept apart.
    """

    role: str  # validation or test
    name: str  # first half of the title
    dataset: str
    table: pd.DataFrame
    support_table: pd.DataFrame
    support: FixedSupport
    vote: str  # how frames decide a clip: probability, embedding or majority
    scored: NDArray[np.bool_]
    disjoint: str
    warnings: tuple[str, ...] = ()  # of results.csv

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
        """16 hex digits that are equal for equal supports and the same scored queries."""
        digest = hashlib.sha256(table_digest(self.table).encode())
        digest.update(table_digest(self.support_table).encode())
        digest.update(self.support.rows.tobytes())
        if not self.scored.all():
            digest.update(np.packbits(self.scored).tobytes())
        return digest.hexdigest()[:16]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class number of every query, in the order of the support's class names."""
        names = list(self.support.class_names)
        return pd.Categorical(self.table["label"], categories=names).codes.astype(np.int64)

    @property
    def n_left_out(self) -> int:
        """How many pairs of a draw and a query are not scored."""
        return int((~self.scored).sum())

    @property
    def support_paths(self) -> pd.Series:
        """The paths of the support images of all draws."""
        return self.support_table["path"].iloc[self.support.images()]


def fixed_protocol(role: str, settings: EvalConfig, data: RunData) -> FixedProtocol:
    """Return a protocol with a support from the training set or, with support_split, its own set.

    Images that are support of any draw are no queries, so that all draws have the same ones. With
    rules.disjoint=group a query is not scored in a draw whose support holds an image of its group
    (clip or subject) of the same data set: each draw then scores queries of its own. Raises
    EpisodeError where a class is too small for the support, unless the rules skip such classes on
    both sides, where the queries have a class that the support has not, and where a draw leaves no
    query to score.
    """
    queries, support_table, support, what = _tables(role, settings, data)
    ever = support_table["path"].iloc[support.images()]
    left = queries[~queries["path"].isin(set(ever))].reset_index(drop=True)
    if left.empty:
        raise EpisodeError(f"{what}: every image of the evaluation would be in the support")
    if len(left) < len(queries):
        count = len(queries) - len(left)
        log.log(data.level, "%s: %d images are support and not asked", what, count)
    met = None
    if data.rules.disjoint == "group":
        met = _met_groups(left, queries, support_table, support)
    protocol = FixedProtocol(
        *(
            role,
            settings.name,
            settings.dataset.adapter,
            left,
            support_table,
            support,
            settings.vote,
        ),
        scored=np.ones((len(support.rows), len(left)), dtype=bool),
        disjoint="image" if met is None else "group",
    )
    return protocol if met is None else leave_out(protocol, met, "clip or subject", data.level)


def _tables(
    role: str, settings: EvalConfig, data: RunData
) -> tuple[pd.DataFrame, pd.DataFrame, FixedSupport, str]:
    """Return queries, the table of the support, the support, and in words what they are for."""
    k_shot = settings.k_shot
    queries = load_dataset(settings.dataset, data.source)
    support_table, where = data.training, "the training set"
    if settings.support_split is not None:
        own = replace(settings.dataset, split=settings.support_split)
        support_table, where = load_dataset(own, data.source), f"split {settings.support_split}"
    assert support_table is not None
    what = f"{role} on {settings.dataset.adapter}, support from {where}"
    support_table = support_table.reset_index(drop=True)
    if data.rules.skip_small_classes:
        support_table, queries = _without_small(support_table, queries, k_shot, what)
    support = draw_fixed_support(support_table, k_shot, settings.support_draws, data.seed, what)
    unknown = sorted(set(queries["label"]) - set(support.class_names))
    if unknown:
        other = "another split" if settings.support_split else "the same data set"
        raise EpisodeError(
            f"{what}: no support for {', '.join(unknown)}; the support has "
            f"{', '.join(support.class_names)}. Take it from {other} with support_split="
        )
    return queries, support_table, support, what


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
        needed = f"a fixed support of {k_shot} images a class needs that many"
        found = f"{what}: {needed}: {'; '.join(small)}"
        raise SmallClassError(
            f"{found}. Ask for fewer with k_shot=, or leave such classes out with "
            f"episodes.skip_small_classes=true",
            found,
        )
    random = np.random.default_rng([seed, zlib.crc32(b"fixed support")])
    members = [np.flatnonzero(table["label"] == name) for name in class_names]
    rows = [
        [random.choice(own, size=k_shot, replace=False) for own in members] for _ in range(draws)
    ]
    return FixedSupport(class_names, np.array(rows, dtype=np.int64))


def leave_out(
    protocol: FixedProtocol, met: NDArray[np.bool_], what: str, level: int = logging.WARNING
) -> FixedProtocol:
    """Return the protocol without scoring the queries that meet the support of a draw.

    met [draws, Q]; what: that they share with the support, in words. Logs how many they are, and
    the classes of which a draw has no query left. Raises EpisodeError for a draw without any.
    """
    scored, labels = protocol.scored & ~met, protocol.labels
    count = int((protocol.scored & met).sum())
    if not count:
        return protocol
    where, names = f"{protocol.role} {protocol.title}", np.array(protocol.support.class_names)
    remedy = "ask for a smaller support with k_shot="
    if not scored.any(axis=1).all():
        raise EpisodeError(f"{where}: every query has its {what} in the support; {remedy}")
    log.log(
        level,
        "%s: %d of %d predictions (%d queries, %d draws) are left out: the query's %s is in the "
        "support of the draw",
        *(where, count, scored.size, scored.shape[1], len(scored), what),
    )
    gone = [np.setdiff1d(labels, labels[of_draw]) for of_draw in scored]
    if any(map(len, gone)):
        lost = ", ".join(names[np.unique(np.concatenate(gone))])
        log.log(level, "%s: a draw or more has no query left of %s; %s", where, lost, remedy)
    return replace(protocol, scored=scored)


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


def _met_groups(
    queries: pd.DataFrame, every: pd.DataFrame, support_table: pd.DataFrame, support: FixedSupport
) -> NDArray[np.bool_] | None:
    """Return which queries [draws, Q] have their group in the support; None without any groups.

    every: the queries with those that are support: a file may be listed under two data sets, and
    its groups of both are in the support then.
    """
    if not any((table["group"] != table["path"]).any() for table in (every, support_table)):
        return None
    keys, drawn = group_keys(queries), group_keys(support_table).to_numpy()
    paths, listed = support_table["path"].to_numpy(), group_keys(every)
    met = []
    for rows in support.rows:
        held = {*drawn[rows.ravel()], *listed[every["path"].isin(set(paths[rows.ravel()]))]}
        met.append(keys.isin(held))
    return np.stack(met)
