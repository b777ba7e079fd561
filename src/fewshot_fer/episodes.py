"""Episodes as index arrays: which rows of a FaceTable are support and which are query.

Nothing here knows of images. Episodes are a pure function of (table, shape, seed, role, epoch), so
every model that asks for the same ones meets the same ones.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.disjoint import draw_disjoint, draw_distinct
from fewshot_fer.pool import EpisodePool, Shape

Indices = NDArray[np.int64]


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


def draw_episodes(
    pool: EpisodePool, shape: Shape, n_episodes: int, seed: int, role: str = "train", epoch: int = 0
) -> Episodes:
    """Draw episodes: classes without replacement, then images of each class without replacement.

    Every episode that the rules allow can be drawn. With a pool of groups, no group has images in
    both support and query of an episode, whatever their classes. `role` and `epoch` choose
    independent random streams of the same seed. The pool must have been built for this shape or a
    larger one. Raises EpisodeError where groups shared between classes leave no way to draw.
    """
    random = np.random.default_rng([seed, zlib.crc32(role.encode()), epoch])
    available = np.full(n_episodes, len(pool.class_names), dtype=np.int64)
    classes = draw_distinct(random, available, shape.n_way)
    images = draw_disjoint(random, pool, classes, shape.k_shot, shape.n_query)
    return Episodes(
        class_names=pool.class_names,
        classes=classes,
        support=images[..., : shape.k_shot],
        query=images[..., shape.k_shot :],
    )
