"""Pools that episodes are drawn from: the rows of a table by class, and their groups."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.data.table import group_keys
from fewshot_fer.system.errors import EpisodeError, SmallClassError

BY_DEFAULT = EpisodesConfig()
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Shape:
    """The shape of an episode: classes, support and query images or clips (unit) a class."""

    n_way: int
    k_shot: int
    n_query: int
    unit: str = "image"

    def __str__(self) -> str:
        counted = "" if self.unit == "image" else f" of {self.unit}s"
        return f"{self.n_way}-way {self.k_shot}-shot {self.n_query}-query{counted}"


@dataclass(frozen=True)
class EpisodePool:
    """The rows of a table, class after class, for episodes of one shape.

    rows [N]: table rows, those of a class next to one another; starts, sizes [C]: where a class
    lies in `rows`; groups [N]: group of each entry of `rows` as a number, or None where support and
    query need only be different entries; nested: no group has images of two classes; disjoint:
    `group`, or `image` or `clip`, what support and query of an episode never share; sets: pools of
    single data sets, from one of which an episode is drawn, all equally likely; none where any rows
    may meet.
    """

    shape: Shape
    class_names: tuple[str, ...]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    nested: bool
    disjoint: str
    sets: tuple["EpisodePool", ...] = ()

    @property
    def members(self) -> list[NDArray[np.int64]]:
        """The distinct table rows of each class, ascending."""
        return [np.unique(rows) for rows in np.split(self.rows, self.starts[1:])]


def build_pool(
    table: pd.DataFrame,
    shape: Shape,
    rules: EpisodesConfig = BY_DEFAULT,
    rows: NDArray[np.int64] | None = None,
    what: str = "the data set",
) -> EpisodePool:
    """Return the pool of a FaceTable.

    rules.disjoint: `group` keeps clips and subjects apart where the table has any, `image` only
    images; rules.within: `set` where an episode's images are of one data set; rows: those of the
    table that may be drawn, all by default; a row that is given several times is as many times as
    likely, and never stands on both sides. Raises EpisodeError naming `what` and the classes that
    are too small for one episode, unless the rules skip them, and where fewer classes remain than
    an episode takes, in all sets or, within=set, in each.
    """
    rows = np.arange(len(table)) if rows is None else np.sort(rows)
    faces = pd.DataFrame({"row": rows, "label": table["label"].to_numpy()[rows]})
    kept_apart = group_keys(table).to_numpy()[rows] if rules.disjoint == "group" else rows
    faces["group"] = kept_apart  # a row that is given twice is one image all the same
    grouped = bool(faces["group"].duplicated().any())
    shared = faces.drop_duplicates("row")["group"].duplicated().any()
    small = _small_classes(faces, shape, grouped)
    if small:
        found = "; ".join(f"'{name}' has {reason}" for name, reason in small.items())
        needed = f"{shape.k_shot} support + {shape.n_query} query {shape.unit}s a class"
        if not rules.skip_small_classes:
            found = f"{what}: too small for {needed}: {found}"
            raise SmallClassError(
                f"{found}. Ask for fewer {shape.unit}s, or leave such classes out with "
                f"episodes.skip_small_classes=true",
                found,
            )
        log.warning("%s: left out, too small for %s: %s", what, needed, found)
    pool = _arrange(faces[~faces["label"].isin(list(small))], shape, grouped, bool(shared))
    if len(pool.class_names) < shape.n_way:
        raise EpisodeError(
            f"{what}: n_way={shape.n_way} asks for more classes than the {len(pool.class_names)} "
            f"there are: {', '.join(pool.class_names) or 'none'}"
        )
    of_set = table["dataset"].to_numpy()[rows]
    if rules.within == "any" or len(set(of_set)) == 1:
        return pool
    kept = faces.assign(dataset=of_set)[faces["label"].isin(pool.class_names)]
    return _by_set(kept, shape, what)


def can_split(sizes: list[int], k_shot: int, n_query: int) -> bool:
    """Return whether groups of these sizes can be split into k_shot and n_query images or more.

    Subset sums as the bits of an integer: a sum s of the query side will do if n_query <= s and
    k_shot <= total - s.

    >>> can_split([10, 10], 5, 5), can_split([100], 5, 5), can_split([100, 1], 5, 5)
    (True, False, False)
    """
    reachable = 1
    for size in sizes:
        reachable |= reachable << size
    span = sum(sizes) - k_shot - n_query + 1
    return span > 0 and bool((reachable >> n_query) & ((1 << span) - 1))


def _by_set(faces: pd.DataFrame, shape: Shape, what: str) -> EpisodePool:
    """Return a pool whose episodes are of one data set each; faces: with the column dataset.

    It has no class of a set that is too small there, and no set with fewer classes than an episode
    takes: a warning names both. Raises EpisodeError where no set is left.
    """
    kept, pools, left_out = [], [], []
    for name, own in faces.groupby("dataset"):
        small = _small_classes(own, shape, bool(own["group"].duplicated().any()))
        own = own[~own["label"].isin(list(small))]
        n_classes = own["label"].nunique()
        if n_classes < shape.n_way:
            left_out.append(f"all of {name}, with {_count(n_classes, 'class')} large enough")
            continue
        left_out += [f"{label} of {name}: {found}" for label, found in small.items()]
        pools.append(_arranged(own, shape))
        kept.append(own)
    found = "; ".join(left_out)
    needed = f"{shape.k_shot} support + {shape.n_query} query images a class of one data set"
    if not pools:
        raise EpisodeError(
            f"{what}: no data set has n_way={shape.n_way} classes with {needed}: {found}. Ask for "
            f"fewer classes or images, or mix sets within an episode with episodes.within=any"
        )
    if left_out:
        log.warning("%s: left out, too small for %s: %s", what, needed, found)
    return replace(_arranged(pd.concat(kept).sort_index(), shape), sets=tuple(pools))


def _arranged(faces: pd.DataFrame, shape: Shape) -> EpisodePool:
    shared = faces.drop_duplicates("row")["group"].duplicated().any()
    return _arrange(faces, shape, bool(faces["group"].duplicated().any()), bool(shared))


def _arrange(faces: pd.DataFrame, shape: Shape, grouped: bool, shared: bool) -> EpisodePool:
    """Return a pool of rows by class; faces: columns row, label and group.

    grouped: a group has several rows; shared: one has several images.
    """
    disjoint = "group" if shared else shape.unit
    labels, names = pd.factorize(faces["label"], sort=True)
    order = np.argsort(labels, kind="stable")
    rows = faces["row"].to_numpy()[order].astype(np.int64)
    sizes = np.bincount(labels, minlength=len(names)).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    by_class = (tuple(map(str, names)), rows, starts, sizes)
    if not grouped:
        return EpisodePool(shape, *by_class, None, nested=True, disjoint=disjoint)
    groups = pd.factorize(faces["group"])[0][order].astype(np.int64)
    classes_a_group = pd.Series(labels[order]).groupby(groups).nunique()
    return EpisodePool(shape, *by_class, groups, bool((classes_a_group == 1).all()), disjoint)


def _small_classes(faces: pd.DataFrame, shape: Shape, grouped: bool) -> dict[str, str]:
    """Return class -> what it has, for every class that is too small for one episode."""
    small = {}
    kept_apart = "clip or subject" if shape.unit == "image" else "subject"
    for label, of_class in faces.groupby("label"):
        images, groups = (of_class[of].value_counts().tolist() for of in ("row", "group"))
        found = _count(len(of_class), shape.unit)
        if len(of_class) < shape.k_shot + shape.n_query:
            small[str(label)] = found
        elif grouped and not can_split(images, shape.k_shot, shape.n_query):
            small[str(label)] = f"{found}, repeats of {len(images)}"
        elif grouped and not can_split(groups, shape.k_shot, shape.n_query):
            small[str(label)] = (
                f"{found} in {_count(len(groups), 'group')} (a {kept_apart} must not stand on "
                f"both sides; episodes.disjoint=image would allow it)"
            )
    return small


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
