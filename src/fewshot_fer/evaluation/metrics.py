"""Figures of predictions, with intervals over episodes and over groups of images.

Nothing here knows of files, images or encoders.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NORMAL_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
RESAMPLES = 2000
CHUNK = 2_000_000  # groups drawn at a time
STRATUM = 10  # groups; strata of fewer vary too little, one of a single group not at all


@dataclass(frozen=True)
class EpisodeScores:
    """Scores of E episodes.

    accuracy, loss [E]: means over an episode's queries; confusion [C, C]: queries of true class
    (row) given as class (column), over all episodes; row_correct, row_asked [N]: how often each
    row of the table was predicted rightly, and how often it was a query.
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


def repeats_half(values: NDArray[np.float64], repeats: int) -> float:
    """Return half of the 95 % interval over the means of `repeats` equal parts of accuracies.

    1.96 s / sqrt(repeats), as papers report it that repeat a test: the parts have other episodes,
    though of the same images, so that it says little of how other images would come out.
    """
    means = np.array([part.mean() for part in np.array_split(values, repeats)])
    return NORMAL_95 * float(means.std(ddof=1)) / math.sqrt(repeats) if repeats > 1 else 0.0


def confusion_matrix(
    true: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Return counts [C, C], rows true and columns predicted, of class numbers 0..C-1."""
    cells = np.bincount(true * n_classes + predicted, minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes)


def recalls(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recall [C] of each class, NaN for a class without queries."""
    asked = confusion.sum(axis=1)
    return np.where(asked > 0, np.diag(confusion) / np.maximum(asked, 1), np.nan)


def mean_recall(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean of the classes' recalls (UAR) over the classes with queries."""
    return float(np.nanmean(recalls(confusion)))


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean of the classes' F1, over classes that are true or predicted.

    A further column of the confusion counts queries without a prediction.
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
    """Return the scores of episodes from predicted positions within each episode.

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


def group_interval(
    correct: NDArray[np.float64],
    asked: NDArray[np.float64],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy by a bootstrap over groups (percentile method).

    correct, asked [N]: how often an image was predicted rightly, and was a query at all; groups
    [N]: its clip, subject or itself; strata [N]: its class, so that each resample keeps the balance
    of classes where each has ten groups or more (None where groups hold several classes). Whole
    groups are drawn with replacement, so images of one clip count as the one observation that they
    are (Efron and Tibshirani 1993, chapter 13; arXiv 2409.02850 on episodes that share images). The
    support is not resampled: over many episodes it averages out, and a single fixed support is
    named as such. With fewer than two groups the interval is 0..1.
    """
    accuracies = resample_groups(correct, asked, groups, strata, seed)
    if accuracies is None:
        return 0.0, 1.0
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return float(low), float(high)


def resample_groups(
    values: NDArray[np.float64],
    asked: NDArray[np.float64],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64] | None,
    seed: int,
) -> NDArray[np.float64] | None:
    """Return sum(values) / sum(asked) of each resample of whole groups; None for a single group."""
    kept = asked > 0
    names, inverse = np.unique(groups[kept], return_inverse=True)
    if len(names) < 2:
        return None
    right = np.bincount(inverse, weights=values[kept]).astype(np.float64)
    total = np.bincount(inverse, weights=asked[kept]).astype(np.float64)
    stratum = np.zeros(len(names), dtype=np.int64)
    if strata is not None:
        stratum[inverse] = strata[kept]
        if np.unique(stratum, return_counts=True)[1].min() < STRATUM:
            stratum[:] = 0
    return _resampled(right, total, stratum, np.random.default_rng(seed))


def _resampled(
    right: NDArray[np.float64],
    total: NDArray[np.float64],
    stratum: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the accuracy of each resample of the groups."""
    members = [np.flatnonzero(stratum == number) for number in np.unique(stratum)]
    numerator, denominator = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for own in members:
        step = max(1, CHUNK // len(own))
        for start in range(0, RESAMPLES, step):
            part = slice(start, min(start + step, RESAMPLES))
            drawn = own[random.integers(0, len(own), size=(part.stop - part.start, len(own)))]
            numerator[part] += right[drawn].sum(axis=1)
            denominator[part] += total[drawn].sum(axis=1)
    return numerator / denominator
