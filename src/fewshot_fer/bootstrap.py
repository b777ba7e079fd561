"""Intervals that respect how few images, clips or subjects an accuracy rests on."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CHUNK = 2_000_000  # groups drawn at a time
STRATUM = 10  # groups; strata of fewer vary too little, one of a single group not at all


def group_interval(
    correct: NDArray[np.float64],
    asked: NDArray[np.float64],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy by a bootstrap over groups (percentile method).

    correct, asked [N]: how often an image was right and was asked at all; groups [N]: its clip,
    subject or itself; strata [N]: its class, so that each resample keeps the balance of classes
    where each has ten groups or more (None where groups hold several classes). Whole groups are
    drawn with replacement, so images of one clip count as the one observation that they are
    (Efron and Tibshirani 1993, chapter 13; arXiv 2409.02850 on episodes that share images). The
    support is not resampled: over many episodes it averages out, and a single fixed support is
    named as such.
    With fewer than two groups asked the interval is 0..1.
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
