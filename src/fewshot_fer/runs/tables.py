"""answers.csv: how often each image was asked and answered rightly, so that runs can be compared.

Two runs are compared image by image, on the same episodes: much less of the difference between them
is then chance.

predictions.csv: what each image was taken for, wherever images are asked one by one.

Confusion matrices on disk, over real class names.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.evaluation.metrics import recalls
from fewshot_fer.evaluation.results import EvaluationResult
from fewshot_fer.runs.figures import plot_confusion
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.system.files import Row, append_row, write_text

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


def add_answers(folder: Path, answers: pd.DataFrame) -> None:
    """Append to answers.csv."""
    file = folder / "answers.csv"
    answers.to_csv(
        file, mode="a", columns=list(COLUMNS), header=not file.exists(), index=False,
        float_format="%.6g",
    )  # fmt: skip


LEADING = ("role", "protocol", "method", "draw", "path", "clip", "true", "predicted")
"""Then a column of probabilities for each class."""


def add_predictions(folder: Path, predictions: pd.DataFrame) -> None:
    """Write predictions.csv, below those of earlier evaluations of the run.

    Evaluations over other classes leave each other's probabilities empty.
    """
    file = folder / "predictions.csv"
    if file.exists():
        earlier = pd.read_csv(file, dtype={"clip": str}, keep_default_na=False)
        predictions = pd.concat([earlier, predictions], ignore_index=True)
    classes = [column for column in predictions.columns if column not in LEADING]
    text = predictions.to_csv(columns=[*LEADING, *classes], index=False, float_format="%.6g")
    write_text(file, text)


RECALL_COLUMNS = ("role", "protocol", "class", "recall", "asked")


def write_confusion(
    folder: Path,
    role: str,
    protocol: str,
    class_names: tuple[str, ...],
    confusion: NDArray[np.int64],
) -> None:
    """Write confusion_<role>_<protocol>.csv and .png, and each class's recall to recalls.csv.

    confusion [C, C]: queries of true class (row) given as class (column). In the CSV the first
    column names the true class.
    """
    name = f"confusion_{role}_{protocol}"
    table = pd.DataFrame(confusion, index=list(class_names), columns=list(class_names))
    write_text(folder / f"{name}.csv", table.to_csv(index_label="true"))
    title, picture = f"{role}, {protocol}", folder.absolute() / f"{name}.png"
    plot_confusion(confusion, class_names, title, picture)
    for number, recall in enumerate(recalls(confusion)):
        row: Row = {"role": role, "protocol": protocol, "class": class_names[number]}
        row |= {"recall": float(recall), "asked": int(confusion[number].sum())}
        append_row(folder / "recalls.csv", RECALL_COLUMNS, row)


def add_evaluation(
    folder: RunFolder, evaluated: EvaluationResult, with_confusion: bool = True
) -> None:
    """Write what an evaluation gave: its rows, its confusion matrix, its predictions.

    A run has one matrix for a role and protocol: with_confusion is for the method that it is of.
    """
    for row in evaluated.rows:
        folder.add_result(row)
    if with_confusion:
        role, protocol = evaluated.rows[0]["role"], evaluated.rows[0]["protocol"]
        names, counts = evaluated.class_names, evaluated.confusion
        write_confusion(folder.folder, role, protocol, names, counts)
    add_answers(folder.folder, evaluated.answers)
    if evaluated.predictions is not None:
        add_predictions(folder.folder, evaluated.predictions)
