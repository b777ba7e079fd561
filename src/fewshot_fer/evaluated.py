"""What an evaluation gives, whichever kind it was."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.runs import Row


@dataclass(frozen=True)
class Evaluated:
    """rows: of results.csv, the headline first; half: of the naive 95 % interval, as a fraction;
    confusion [C, C] over class_names, rows true; answers: as in answers.csv; predictions: a row an
    image, where images were asked one by one; each [E]: the accuracy of every episode."""

    rows: list[Row]
    accuracy: float
    loss: float
    half: float
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    answers: pd.DataFrame
    predictions: pd.DataFrame | None = None
    each: NDArray[np.float64] | None = None
