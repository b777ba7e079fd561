"""Figures from predictions. Nothing here knows of files, images or encoders."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NORMAL_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class EpisodeScores:
    """What E episodes gave.

    accuracy, loss [E]: means over an episode's queries; confusion [C, C]: queries of true class
    (row) given as class (column), over all episodes.
    """

    accuracy: NDArray[np.float64]
    loss: NDArray[np.float64]
    confusion: NDArray[np.int64]


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean of accuracies and its 95 % interval, kept within 0..1.

    The normal interval over episodes: mean ± 1.96 s / sqrt(E). It takes episodes as independent;
    where many episodes share few images the truth is wider. One episode alone gives 0..1.
    """
    mean = float(values.mean())
    if len(values) < 2:
        return mean, 0.0, 1.0
    half = NORMAL_95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def confusion_matrix(
    true: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Return counts [C, C], rows true and columns predicted, of class numbers 0..C-1."""
    cells = np.bincount(true * n_classes + predicted, minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes)


def mean_recall(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean of the classes' recalls (UAR) over the classes that occurred."""
    asked = confusion.sum(axis=1)
    occurred = asked > 0
    return float((np.diag(confusion)[occurred] / asked[occurred]).mean())


def score_predictions(
    classes: NDArray[np.int64],
    predicted: NDArray[np.int64],
    loss: NDArray[np.float64],
    n_classes: int,
) -> EpisodeScores:
    """Score episodes from positions within each episode.

    classes [E, way]: class numbers in label order; predicted [E, way * query]: positions 0..way-1,
    all queries of the first class first; loss [E].
    """
    n_way = classes.shape[1]
    labels = np.repeat(np.arange(n_way), predicted.shape[1] // n_way)
    accuracy = (predicted == labels).mean(axis=1)
    true_class = classes[:, labels]
    given_class = np.take_along_axis(classes, predicted, axis=1)
    confusion = confusion_matrix(true_class.ravel(), given_class.ravel(), n_classes)
    return EpisodeScores(accuracy, loss.astype(np.float64), confusion)
