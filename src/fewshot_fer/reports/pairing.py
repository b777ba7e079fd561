"""Two runs' answers to the same questions, and the interval of their difference."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.bootstrap import resample_groups
from fewshot_fer.errors import RunError

DIFFERENT = 6  # groups: the fewest whose signs alone can tell at 95 %, 2 * 0.5 ** 6 = 0.03


def pair_answers(reference: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each image: group, label, asked, correct (the reference's) and other.

    The runs may have read the same images from different folders. Raises RunError where they did
    not answer the same images equally often.
    """
    for name in (str, _short):
        keys, other_keys = reference["path"].map(name), other["path"].map(name)
        if not keys.is_unique or set(keys) != set(other_keys) or len(keys) != len(other_keys):
            continue
        answered = other.set_index(other_keys).loc[keys]
        if np.allclose(answered["asked"], reference["asked"], rtol=1e-4):
            paired = reference[["group", "label", "asked", "correct"]].reset_index(drop=True)
            return paired.assign(other=answered["correct"].to_numpy())
    raise RunError("the images asked are not the same, though their episodes_id is: damaged")


def _short(path: str) -> str:
    """Return what names an image wherever its data set lies, as the id of the episodes does."""
    return "/".join(path.replace("\\", "/").split("/")[-4:])


def paired_interval(paired: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies, other less reference.

    `paired` as from `pair_answers`. A bootstrap of the difference itself over whole groups: what
    makes an image hard for both runs cancels, so it is narrower than the two intervals apart
    (Efron and Tibshirani 1993, chapters 8 and 13). Where every group holds one label, and every
    label enough groups, each resample keeps the balance of the labels. -1..1 for a single group.
    """
    difference = (paired["other"] - paired["correct"]).to_numpy(dtype=np.float64)
    asked = paired["asked"].to_numpy(dtype=np.float64)
    groups = pd.factorize(paired["group"])[0].astype(np.int64)
    resampled = resample_groups(difference, asked, groups, _strata(paired), seed)
    if resampled is None:
        return -1.0, 1.0
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def _strata(paired: pd.DataFrame) -> NDArray[np.int64] | None:
    if paired[["group", "label"]].drop_duplicates()["group"].duplicated().any():
        return None
    return pd.factorize(paired["label"])[0].astype(np.int64)


def verdict(paired: pd.DataFrame, interval: tuple[float, float], names: tuple[str, str]) -> str:
    """Return which of the two names (reference, other) is better, or that neither is shown to be.

    Fewer than six groups that were answered differently show nothing, whatever their interval.
    """
    low, high = interval
    by_group = (paired["other"] - paired["correct"]).groupby(paired["group"]).sum()
    if (by_group.abs() > 1e-9).sum() >= DIFFERENT and (low > 0 or high < 0):
        return f"{names[low > 0]} is better"
    return "no difference shown"
