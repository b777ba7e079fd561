"""answers.csv: how often each image was asked and answered rightly, so that runs can be compared.

Two runs are compared image by image, on the same episodes: much less of the difference between them
is then chance.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.runs import Row

COLUMNS = (
    "role",
    "protocol",
    "method",
    "level",
    "episodes_id",  # equal where the very same episodes, or support and queries, were asked
    "path",  # of the image, or the key of the clip
    "group",
    "label",
    "asked",  # how often it was a query
    "correct",  # how many of these answers were right; a mean over draws of a fixed support
)


def make_answers(
    row: Row, table: pd.DataFrame, asked: NDArray[np.float64], correct: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the answers of one row of results.csv; asked, correct [N]: by row of the table."""
    answers = table[["path", "group", "label"]].iloc[: len(asked)].copy()
    for column in ("episodes_id", "level", "method", "protocol", "role"):
        answers.insert(0, column, row[column])
    answers["asked"], answers["correct"] = asked, correct
    return answers[answers["asked"] > 0]


def add_answers(folder: Path, answers: pd.DataFrame) -> None:
    """Append to answers.csv."""
    file = folder / "answers.csv"
    answers.to_csv(
        file, mode="a", columns=list(COLUMNS), header=not file.exists(), index=False,
        float_format="%.6g",
    )  # fmt: skip
