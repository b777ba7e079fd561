"""One decision a clip from the decisions of its frames."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def clip_numbers(clips: pd.Series) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return each frame's clip as a number, and the clips' names in order of appearance."""
    numbers, names = pd.factorize(clips)
    return numbers.astype(np.int64), tuple(map(str, names))


def mean_by_clip(values: NDArray[np.float64], clips: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean [C, D] of the frames' values [N, D] over each clip."""
    total = np.zeros((int(clips.max()) + 1, values.shape[1]))
    np.add.at(total, clips, values)
    return total / np.bincount(clips)[:, None]


def vote_by_probability(
    probabilities: NDArray[np.float64], clips: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return [C, way]: the mean of the frames' probabilities."""
    return mean_by_clip(probabilities, clips)


def vote_by_majority(
    probabilities: NDArray[np.float64], clips: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return [C, way]: each class's share of the frames, ties broken by summed probability.

    The tie-break adds less than a quarter of one frame's share, so it decides nothing else; rows
    sum to slightly more than one.
    """
    given = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    frames = np.bincount(clips)[:, None]
    return mean_by_clip(given, clips) + mean_by_clip(probabilities, clips) / (4 * frames)
