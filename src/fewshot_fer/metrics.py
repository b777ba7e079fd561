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
    (row) given as class (column), over all episodes; row_correct, row_asked [N]: how often each
    row of the table was a query, and given its true class.
    """

    accuracy: NDArray[np.float64]
    loss: NDArray[np.float64]
    confusion: NDArray[np.int64]
    row_correct: NDArray[np.float64]
    row_asked: NDArray[np.float64]


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


def recalls(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recall [C] of each class, NaN for a class that was never asked for."""
    asked = confusion.sum(axis=1)
    return np.where(asked > 0, np.diag(confusion) / np.maximum(asked, 1), np.nan)


def mean_recall(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean of the classes' recalls (UAR) over the classes that occurred."""
    return float(np.nanmean(recalls(confusion)))


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean of the classes' F1 over classes that occurred or were given.

    A further column of the confusion counts queries that were given no class.
    """
    right = np.diag(confusion)
    counted = confusion.sum(axis=0)[: len(right)] + confusion.sum(axis=1)
    return float((2 * right[counted > 0] / counted[counted > 0]).mean())


def score_predictions(
    classes: NDArray[np.int64],
    query: NDArray[np.int64],
    predicted: NDArray[np.int64],
    loss: NDArray[np.float64],
    n_classes: int,
) -> EpisodeScores:
    """Score episodes from positions within each episode.

    classes [E, way]: class numbers in label order; query [E, way, query]: rows of the table;
    predicted [E, way * query]: positions 0..way-1, all queries of the first class first; loss [E].
    """
    labels = np.repeat(np.arange(classes.shape[1]), query.shape[2])
    correct = predicted == labels
    true_class = classes[:, labels]
    given_class = np.take_along_axis(classes, predicted, axis=1)
    return EpisodeScores(
        accuracy=correct.mean(axis=1),
        loss=loss.astype(np.float64),
        confusion=confusion_matrix(true_class.ravel(), given_class.ravel(), n_classes),
        row_correct=np.bincount(query.ravel(), weights=correct.ravel()).astype(np.float64),
        row_asked=np.bincount(query.ravel()).astype(np.float64),
    )
