"""Crops and their answers as rows of predictions.csv."""

from collections.abc import Sequence
from typing import Any

from fewshot_fer.prediction.answering import Answers
from fewshot_fer.prediction.crops import OK, Crop

Row = dict[str, Any]


def make_rows(crops: Sequence[Crop], answers: Answers | None) -> list[Row]:
    """Return a row a crop; `answers` are to those whose status is ok, in their order."""
    rows, answered = [], 0
    for crop in crops:
        row = _place(crop)
        if crop.status == OK:
            assert answers is not None
            row |= _answer(answers, answered)
            answered += 1
        rows.append(row)
    return rows


def _place(crop: Crop) -> Row:
    x0, y0, x1, y1 = crop.box or (None, None, None, None)
    return {
        "file": crop.shot.name,
        "frame": crop.shot.frame,
        "seconds": crop.shot.seconds,
        "face": crop.face,
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
        "label": None,
        "status": crop.status,
        "reason": crop.reason,
    }


def _answer(answers: Answers, number: int) -> Row:
    shares = answers.probabilities[number]
    return {
        "label": answers.label(number),
        "probability": float(shares.max()),
        "distance": float(answers.distances[number]),
    } | {f"p_{name}": float(p) for name, p in zip(answers.class_names, shares, strict=True)}
