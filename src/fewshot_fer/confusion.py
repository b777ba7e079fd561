"""Confusion matrices on disk, over real class names."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.confusion_picture import plot_confusion
from fewshot_fer.figure import Draw
from fewshot_fer.metrics import recalls
from fewshot_fer.runs import Row, append_row, write_text

RECALL_COLUMNS = ("role", "protocol", "class", "recall", "asked")


def write_confusion(
    folder: Path,
    role: str,
    protocol: str,
    class_names: tuple[str, ...],
    confusion: NDArray[np.int64],
    draw: Draw,
) -> None:
    """Write confusion_<role>_<protocol>.csv and .png, and each class's recall to recalls.csv.

    confusion [C, C]: queries of true class (row) given as class (column). In the CSV the first
    column names the true class. draw: who draws the picture, and when.
    """
    name = f"confusion_{role}_{protocol}"
    table = pd.DataFrame(confusion, index=list(class_names), columns=list(class_names))
    write_text(folder / f"{name}.csv", table.to_csv(index_label="true"))
    title, picture = f"{role}, {protocol}", folder.absolute() / f"{name}.png"
    draw(plot_confusion, confusion, class_names, title, picture)
    for number, recall in enumerate(recalls(confusion)):
        row: Row = {"role": role, "protocol": protocol, "class": class_names[number]}
        row |= {"recall": float(recall), "asked": int(confusion[number].sum())}
        append_row(folder / "recalls.csv", RECALL_COLUMNS, row)
