"""Classes of equal size, by leaving images out and by repeating them."""

import zlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def balanced_rows(
    table: pd.DataFrame, rows: NDArray[np.int64], per_class: int, seed: int
) -> NDArray[np.int64]:
    """Return row numbers with per_class of each class, drawn from `rows`.

    A larger class gives a random part of its images, a smaller one each of its images equally often
    but for the remainder, which is drawn. A function of table, rows and seed.
    """
    random = np.random.default_rng([seed, zlib.crc32(b"balance")])
    labels = table["label"].to_numpy()[rows]
    chosen = []
    for label in sorted(set(labels)):
        own = rows[labels == label]
        whole, rest = divmod(per_class, len(own))
        chosen += [*([own] * whole), random.choice(own, size=rest, replace=False)]
    return np.sort(np.concatenate(chosen))
