"""Paired differences: two ways to classify the same queries, compared image by image.

What makes a query hard for both cancels, so the interval of the difference is narrower than the two
intervals apart.
"""

import numpy as np
import pandas as pd

from fewshot_fer.evaluation.metrics import resample_groups

DIFFERENT = 6  # groups: the fewest whose signs alone can tell at 95 %, 2 * 0.5 ** 6 = 0.03


def paired_interval(paired: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies, other less reference.

    paired: a row a query with the columns group, label, asked, correct (the reference's) and other
    (how often it was predicted rightly). A bootstrap of the difference itself over whole groups:
    what makes an image hard for both runs cancels, so it is narrower than the two intervals apart
    (Efron and Tibshirani 1993, chapters 8 and 13). Where every group holds one label, and every
    label enough groups, each resample keeps the balance of the labels. -1..1 for a single group.
    """
    difference = (paired["other"] - paired["correct"]).to_numpy(dtype=np.float64)
    asked = paired["asked"].to_numpy(dtype=np.float64)
    groups = pd.factorize(paired["group"])[0].astype(np.int64)
    mixed = paired[["group", "label"]].drop_duplicates()["group"].duplicated().any()
    strata = None if mixed else pd.factorize(paired["label"])[0].astype(np.int64)
    resampled = resample_groups(difference, asked, groups, strata, seed)
    if resampled is None:
        return -1.0, 1.0
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def verdict(paired: pd.DataFrame, interval: tuple[float, float], names: tuple[str, str]) -> str:
    """Return which of the two names (reference, other) is better, or that neither is shown to be.

    paired, interval: as of `paired_interval`. Fewer than six groups that were answered differently
    show nothing, whatever their interval.
    """
    low, high = interval
    by_group = (paired["other"] - paired["correct"]).groupby(paired["group"]).sum()
    if (by_group.abs() > 1e-9).sum() >= DIFFERENT and (low > 0 or high < 0):
        return f"{names[low > 0]} is better"
    return "no difference shown"
