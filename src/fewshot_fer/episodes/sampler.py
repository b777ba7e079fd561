"""Episodes as index arrays: which rows of a FaceTable are support and which are query.

Nothing here knows of images. Episodes are a pure function of (pool, seed, stream, epoch), so every
model is trained or tested on the very same ones. Support and query of an episode share no image and
no group; all episodes are drawn at once.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.episodes.pool import EpisodePool
from fewshot_fer.system.errors import EpisodeError

Indices = NDArray[np.int64]
Random = np.random.Generator
REJECTIONS = 16  # rounds of drawing anew before groups are assigned to the two sides instead
SPLIT_TRIES = 2000  # rounds of assigning groups before an episode is called impossible
CHUNK = 4_000_000  # elements of the largest temporary array


@dataclass(frozen=True)
class Episodes:
    """E episodes over one table.

    classes [E, way]: positions in `class_names`, in the order drawn, which is the order of labels.
    support [E, way, shot], query [E, way, query]: row numbers of the table.
    """

    class_names: tuple[str, ...]
    classes: Indices
    support: Indices
    query: Indices

    def __len__(self) -> int:
        return len(self.classes)

    def images(self) -> Indices:
        """Return the distinct rows that are drawn at all, ascending: what must be embedded."""
        return np.unique(np.concatenate([self.support.ravel(), self.query.ravel()]))

    def first(self, count: int) -> "Episodes":
        """Return the first `count` episodes, or all."""
        drawn = (self.classes[:count], self.support[:count], self.query[:count])
        return Episodes(self.class_names, *drawn)

    def with_shots(self, k_shot: int) -> "Episodes":
        """Return the same episodes with the first `k_shot` support images of each class: the same
        queries, and every support a part of the next larger one.

        Images of a class are drawn in random order, so these are as likely as any others.
        """
        return replace(self, support=self.support[:, :, :k_shot])


def draw_episodes(
    pool: EpisodePool, n_episodes: int, seed: int, stream: str = "train", epoch: int = 0
) -> Episodes:
    """Draw episodes: classes without replacement, then images of each class without replacement.

    Every episode that the rules allow can be drawn. With a pool of groups, no group has images in
    both support and query of an episode, whatever their classes. `stream` and `epoch` choose
    independent random streams of the same seed. With a pool of several sets the set of an episode
    is drawn first, each equally likely whatever its size. Raises EpisodeError where groups shared
    between classes leave nothing to draw.
    """
    random = np.random.default_rng([seed, zlib.crc32(stream.encode()), epoch])
    draw = _draw_within_sets if pool.sets else _draw
    classes, images = draw(random, pool, n_episodes)
    support, query = np.split(images, [pool.shape.k_shot], axis=2)
    return Episodes(pool.class_names, classes, support, query)


def _draw(random: Random, pool: EpisodePool, n_episodes: int) -> tuple[Indices, Indices]:
    """Return classes [E, way] and table rows [E, way, k_shot + n_query]."""
    available = np.full(n_episodes, len(pool.class_names), dtype=np.int64)
    classes = draw_distinct(random, available, pool.shape.n_way)
    return classes, _draw_disjoint(random, pool, classes)


def _draw_within_sets(
    random: Random, pool: EpisodePool, n_episodes: int
) -> tuple[Indices, Indices]:
    """Return as `_draw` does, each episode from the pool of a set; classes are those of `pool`."""
    of_set, shape = random.integers(len(pool.sets), size=n_episodes), pool.shape
    classes = np.empty((n_episodes, shape.n_way), dtype=np.int64)
    images = np.empty((*classes.shape, shape.k_shot + shape.n_query), dtype=np.int64)
    for number, own in enumerate(pool.sets):
        episodes = np.flatnonzero(of_set == number)
        if not len(episodes):
            continue
        own_classes, images[episodes] = _draw(random, own, len(episodes))
        numbers = np.array([pool.class_names.index(name) for name in own.class_names])
        classes[episodes] = numbers[own_classes]
    return classes, images


def join_episodes(parts: Sequence[Episodes]) -> Episodes:
    """Return episodes over one table and the same classes, one part after another."""
    if len(parts) == 1:
        return parts[0]
    names = ("classes", "support", "query")
    arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    return Episodes(parts[0].class_names, *arrays)


def draw_distinct(random: Random, sizes: Indices, n_drawn: int) -> Indices:
    """Return [R, n_drawn] different numbers in 0..sizes[r]-1 for each row r, in random order.

    Floyd's sampling (Bentley and Floyd, CACM 1987), one column at a time for all rows: exact for
    any size, with no array of the length of a class. Every size must be n_drawn or more.
    """
    drawn = np.full((len(sizes), n_drawn), -1, dtype=np.int64)
    for column in range(n_drawn):
        top = sizes - n_drawn + column
        number = random.integers(0, top + 1)
        taken = (drawn[:, :column] == number[:, None]).any(axis=1)
        drawn[:, column] = np.where(taken, top, number)
    order = np.argsort(random.random(drawn.shape), axis=1)  # Floyd's own order is not uniform
    return np.take_along_axis(drawn, order, axis=1)


def _draw_disjoint(random: Random, pool: EpisodePool, classes: Indices) -> Indices:
    """Return table rows [E, way, k_shot + n_query] for classes [E, way], support first.

    Without groups the images of a class are simply different. With groups a draw that puts a group
    on both sides is thrown away and drawn anew, which makes all allowed draws equally likely. Where
    that keeps failing (few, large groups), groups are assigned to the sides first.
    """
    if pool.groups is None:
        return pool.rows[_draw_any(random, pool, classes)]
    # Where no group spans classes each class is an independent draw, and fails on its own.
    cells = classes.reshape(-1, 1) if pool.nested else classes
    places = _draw_any(random, pool, cells)
    failed = group_clashes(pool.groups[places], pool.shape.k_shot)
    for _ in range(REJECTIONS):
        if not failed.any():
            break
        again = np.flatnonzero(failed)
        places[again] = _draw_any(random, pool, cells[again])
        failed[again] = group_clashes(pool.groups[places[again]], pool.shape.k_shot)
    left = np.flatnonzero(failed)
    parts = -(-len(left) * len(pool.rows) // CHUNK)  # none where nothing failed
    for chunk in np.array_split(left, parts) if parts else ():
        places[chunk] = _draw_split(random, pool, cells[chunk])
    return pool.rows[places].reshape(*classes.shape, -1)


def _draw_any(random: Random, pool: EpisodePool, classes: Indices) -> Indices:
    """Return places in pool.rows, [R, w, k_shot + n_query], different within a class."""
    n_drawn, flat = pool.shape.k_shot + pool.shape.n_query, classes.ravel()
    drawn = draw_distinct(random, pool.sizes[flat], n_drawn) + pool.starts[flat][:, None]
    return drawn.reshape(*classes.shape, n_drawn)


def group_clashes(groups: Indices, k_shot: int) -> NDArray[np.bool_]:
    """Return which rows [R] of groups [R, w, k_shot + n_query] have a group on both sides."""
    clashes = np.zeros(len(groups), dtype=bool)
    support = groups[..., :k_shot].reshape(len(groups), -1)
    query = groups[..., k_shot:].reshape(len(groups), -1)
    for column in query.T:  # a loop over a few query images keeps memory at one side's size
        clashes |= (support == column[:, None]).any(axis=1)
    return clashes


def _draw_split(random: Random, pool: EpisodePool, classes: Indices) -> Indices:
    """Draw as `_draw_any` does, but assign each group to support or query first.

    A row assigns its groups with a share of its own for the query side, so that lopsided splits
    come up too; rows whose classes cannot be filled are assigned again.
    """
    assert pool.groups is not None
    on_query_side = np.zeros((len(classes), len(pool.rows)), dtype=bool)
    open_rows = np.arange(len(classes))
    for _ in range(SPLIT_TRIES):
        share = random.random((len(open_rows), 1))
        assigned = random.random((len(open_rows), int(pool.groups.max()) + 1)) < share
        sides = assigned[:, pool.groups]
        queries = np.add.reduceat(sides, pool.starts, axis=1, dtype=np.int64)
        wanted = np.take_along_axis(queries, classes[open_rows], axis=1)
        sizes = pool.sizes[classes[open_rows]]
        enough = (wanted >= pool.shape.n_query) & (sizes - wanted >= pool.shape.k_shot)
        filled = enough.all(axis=1)
        on_query_side[open_rows[filled]] = sides[filled]
        open_rows = open_rows[~filled]
        if not len(open_rows):
            return _fill_sides(random, pool, on_query_side, classes)
    names = ", ".join(pool.class_names[c] for c in classes[open_rows[0]])
    allowing = ", or use episodes.disjoint=image" if pool.disjoint == "group" else ""
    raise EpisodeError(
        f"no way found to keep the {pool.disjoint}s of support and query apart for the classes "
        f"{names} ({pool.shape.k_shot} support + {pool.shape.n_query} query {pool.shape.unit}s): "
        f"ask for fewer {pool.shape.unit}s{allowing}"
    )


def _fill_sides(
    random: Random, pool: EpisodePool, on_query_side: NDArray[np.bool_], classes: Indices
) -> Indices:
    """Draw places [R, w, k_shot + n_query] from sides [R, N] that are large enough."""
    labels = np.repeat(np.arange(len(pool.sizes)), pool.sizes)
    keys = random.random(on_query_side.shape)
    sides = ((~on_query_side, pool.shape.k_shot), (on_query_side, pool.shape.n_query))
    columns = []
    for own_class in classes.T:
        of_class = labels == own_class[:, None]
        ranked = (np.argsort(np.where(of_class & side, keys, 2.0), axis=1) for side, _ in sides)
        chosen = [order[:, :count] for order, (_, count) in zip(ranked, sides, strict=True)]
        columns.append(np.concatenate(chosen, axis=1))
    return np.stack(columns, axis=1)
