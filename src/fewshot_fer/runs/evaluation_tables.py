"""Tables of a run's evaluations: answers, predictions, confusion matrices and recalls.

answers.csv counts how often each image was a query and was predicted rightly, so two runs can be
compared image by image on the same episodes: much less of their difference is then chance.
predictions.csv holds what each image was taken for, with a fixed support.
"""

import io
from pathlib import Path

import pandas as pd

from fewshot_fer.evaluation.metrics import recalls
from fewshot_fer.evaluation.results import PREDICTION_COLUMNS, EvaluationResult
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.plots import plot_confusion
from fewshot_fer.system.files import Row, append_row, write_text, writing

ANSWER_COLUMNS = (
    "role",
    "protocol",
    "method",
    "level",
    "episodes_id",  # equal for the very same episodes, or support and queries
    "path",  # of the image, or the key of the clip
    "group",
    "label",
    "asked",  # how often it was a query
    "correct",  # how many of these predictions were right; a mean over draws of a fixed support
)
RECALL_COLUMNS = ("role", "protocol", "class", "recall", "asked")


def add_evaluation(
    folder: RunFolder, result: EvaluationResult, with_confusion: bool = True
) -> None:
    """Write the result of an evaluation: its rows, its confusion matrix, its predictions.

    A run has one matrix for a role and protocol: with_confusion is for the method that it is of.
    """
    for row in result.rows:
        folder.add_result(row)
    if with_confusion:
        write_confusion(folder.folder, result)
    add_answers(folder.folder, result.answers)
    if result.predictions is not None:
        add_predictions(folder.folder, result.predictions)


def write_confusion(folder: Path, result: EvaluationResult) -> None:
    """Write confusion_<role>_<protocol>.csv and .png, and each class's recall to recalls.csv.

    In the CSV the first column names the true class, the others what it was taken for.
    """
    role, protocol = result.rows[0]["role"], result.rows[0]["protocol"]
    name, names = f"confusion_{role}_{protocol}", list(result.class_names)
    table = pd.DataFrame(result.confusion, index=names, columns=names)
    write_text(folder / f"{name}.csv", table.to_csv(index_label="true"))
    title, picture = f"{role}, {protocol}", folder.absolute() / f"{name}.png"
    plot_confusion(result.confusion, result.class_names, title, picture)
    counts = result.confusion.sum(axis=1)
    for label, recall, count in zip(names, recalls(result.confusion), counts, strict=True):
        row: Row = {"role": role, "protocol": protocol, "class": label}
        row |= {"recall": float(recall), "asked": int(count)}
        append_row(folder / "recalls.csv", RECALL_COLUMNS, row)


def add_answers(folder: Path, answers: pd.DataFrame) -> None:
    """Append to answers.csv. Raises WriteError."""
    file = folder / "answers.csv"
    columns = list(ANSWER_COLUMNS)
    with writing(file):
        new = not file.exists()
        answers.to_csv(
            file, mode="a", columns=columns, header=new, index=False, float_format="%.6g"
        )


def add_predictions(folder: Path, predictions: pd.DataFrame) -> None:
    """Write predictions.csv, below those of earlier evaluations of the run. Raises WriteError.

    Evaluations over other classes leave each other's probabilities empty.
    """
    file, columns = folder / "predictions.csv", list(PREDICTION_COLUMNS)
    columns += [column for column in predictions.columns if column not in PREDICTION_COLUMNS]
    text = predictions.to_csv(columns=columns, index=False, float_format="%.6g")
    if file.exists():
        both = [_texts(file), _texts(io.StringIO(text, newline=""))]
        text = pd.concat(both, ignore_index=True).to_csv(index=False)
    write_text(file, text)


def _texts(source: Path | io.StringIO) -> pd.DataFrame:
    """Return a table with every cell as it stands there: a class 01 or true is no number."""
    return pd.read_csv(source, dtype=str, keep_default_na=False)
