"""How often a query would meet its own clip in the support, were images drawn without regard to
groups. Exact: no episode is drawn."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def leak_share(table: pd.DataFrame, n_way: int, k_shot: int) -> float:
    """Return the share of queries whose own group is in the support, 0..1.

    Episodes of n_way classes out of those of the table, each as likely, k_shot support images of
    each and queries from the rest of the class, drawn image by image. A group that has images of
    other classes is met there too. Every class must have more than k_shot images.
    """
    counts = pd.crosstab(table["group"], table["label"]).to_numpy().astype(np.float64)
    sizes = counts.sum(axis=0)
    own = missed(sizes - 1, counts - 1, k_shot)  # the query itself is no longer there
    other = missed(sizes, counts, k_shot)
    met = np.zeros(counts.shape)
    for column in range(len(sizes)):
        elsewhere = _mean_product(np.delete(other, column, axis=1), n_way - 1)
        met[:, column] = 1 - own[:, column] * elsewhere
    return float((counts * met / sizes).sum() / len(sizes))


def missed(sizes: Floats, counts: Floats, k_shot: int) -> Floats:
    """Return the chance [G, C] that k_shot images of a class have none of a group.

    sizes [C]: images of the class; counts [G, C]: how many of them are the group's.
    """
    chance = np.ones(counts.shape)
    for drawn in range(k_shot):
        chance *= (sizes - counts - drawn).clip(0) / (sizes - drawn).clip(1)
    return chance


def _mean_product(chances: Floats, n_chosen: int) -> Floats:
    """Return [G]: the product over n_chosen columns of [G, C], averaged over all such choices.

    The sum over all choices is an elementary symmetric polynomial, built up column by column.
    """
    sums = np.zeros((n_chosen + 1, len(chances)))
    sums[0] = 1
    for column in chances.T:
        sums[1:] += sums[:-1] * column
    return np.asarray(sums[n_chosen] / math.comb(chances.shape[1], n_chosen))
