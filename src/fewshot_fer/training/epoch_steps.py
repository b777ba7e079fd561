"""The steps of an epoch of episodes: which table rows each of them takes."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.episodes.clips import Clips
from fewshot_fer.episodes.sampler import Episodes


@dataclass(frozen=True)
class EpochSteps:
    """An epoch of S steps of E episodes.

    rows [S, E, images], classes [S, E, images]: table row and class number of every image, of an
    episode all support class by class, then all queries the same; n_way, k_shot, n_query: of each.
    Where these count clips, the frames of a clip are next to one another.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    n_way: int
    k_shot: int
    n_query: int

    @property
    def ways(self) -> NDArray[np.int64]:
        """The classes [S, E, way] of each episode, in the order of its positions."""
        return self.classes[:, :, : self.n_way * self.k_shot : self.k_shot]

    @property
    def query(self) -> NDArray[np.int64]:
        """The table rows [S, E, way, query] of the queries."""
        rows = self.rows[:, :, self.n_way * self.k_shot :]
        return rows.reshape(*rows.shape[:2], self.n_way, self.n_query)


def with_frames(
    steps: EpochSteps, clips: Clips, n_frames: int, random: np.random.Generator
) -> EpochSteps:
    """Return steps over clips as steps over frames that are drawn from each clip."""
    rows = clips.draw_frames(steps.rows, n_frames, random)
    shape = (*steps.rows.shape[:2], -1)
    classes = np.repeat(steps.classes, n_frames, axis=2)
    return replace(steps, rows=rows.reshape(shape), classes=classes)


def epoch_steps(episodes: Episodes, episodes_per_step: int) -> EpochSteps:
    """Return the steps of an epoch's episodes, those of all ranks together in each."""
    count, n_way, k_shot = episodes.support.shape
    n_query = episodes.query.shape[2]
    tables = [episodes.support.reshape(count, -1), episodes.query.reshape(count, -1)]
    rows = np.concatenate(tables, axis=1)
    each = [np.repeat(episodes.classes, per_class, axis=1) for per_class in (k_shot, n_query)]
    classes = np.concatenate(each, axis=1)
    shape = (-1, episodes_per_step, rows.shape[1])
    return EpochSteps(rows.reshape(shape), classes.reshape(shape), n_way, k_shot, n_query)
