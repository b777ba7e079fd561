"""predictions.csv: what each image was taken for, wherever images are asked one by one."""

from pathlib import Path

import pandas as pd

from fewshot_fer.runs import write_text

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
