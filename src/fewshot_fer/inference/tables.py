"""predictions.csv, predictions.json and clips.csv: what was answered, a row a face.

predictions.csv
    file            as it was named or found
    frame, seconds  place in a video, from 0; empty for a picture
    face            number of the face in its picture, the largest is 0; empty without one
    x0, y0, x1, y1  box in pixels of the picture; empty with align=false
    label           the class, or "none of these"
    probability     of the most probable class, 0..1
    distance        Euclidean, from the embedding to the prototype of the most probable class
    status          ok, no_face or unreadable
    reason          why not ok
    p_<class>       probability of each class, 0..1

clips.csv has a row a video: file, status, reason, frames (read), faces (frames with a face that
counts), label, probability, rejected (share of these faces that were none of these), p_<class>.
predictions.json holds both, and which run, support, temperature and threshold they come from.

Crops and their answers as rows of predictions.csv.
"""

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from fewshot_fer.inference.classifier import Predictions
from fewshot_fer.inference.crops import OK, Crop

Row = dict[str, Any]


def make_rows(crops: Sequence[Crop], answers: Predictions | None) -> list[Row]:
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


def _answer(answers: Predictions, number: int) -> Row:
    shares = answers.probabilities[number]
    return {
        "label": answers.label(number),
        "probability": float(shares.max()),
        "distance": float(answers.distances[number]),
    } | {f"p_{name}": float(p) for name, p in zip(answers.class_names, shares, strict=True)}


PLACE = ("file", "frame", "seconds", "face", "x0", "y0", "x1", "y1")
ANSWER = ("label", "probability", "distance", "status", "reason")
CLIP = ("file", "status", "reason", "frames", "faces", "label", "probability", "rejected")


class Tables:
    """Writes rows as they come, so that memory stays bounded and a run that dies keeps them.

    The files are called *.part until `close`; use in a with statement.
    """

    def __init__(self, folder: Path, class_names: Sequence[str], facts: Row) -> None:
        self.folder = folder
        self.class_names = class_names
        self.facts = facts
        self._columns = [*PLACE, *ANSWER, *(f"p_{name}" for name in class_names)]
        self._clips: list[Row] = []
        self._rows = 0

    def __enter__(self) -> "Tables":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._csv = self._open("predictions.csv")
        self._json = self._open("predictions.json")
        csv.writer(self._csv, lineterminator="\n").writerow(self._columns)
        head = json.dumps(self.facts, indent=1, ensure_ascii=False, allow_nan=False)
        self._json.write(head.rstrip("\n}") + ',\n "predictions": [')
        return self

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows with the columns of predictions.csv, and `nearest` where it was asked for."""
        writer = csv.writer(self._csv, lineterminator="\n")
        writer.writerows([_cell(row.get(name)) for name in self._columns] for row in rows)
        for row in rows:
            self._json.write(",\n  " if self._rows else "\n  ")
            self._json.write(_as_json(_nested(row, self.class_names)))
            self._rows += 1
        self._csv.flush()

    def add_clip(self, row: Row) -> None:
        """Take in a row of clips.csv."""
        self._clips.append(row)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the files their names, unless something went wrong: then *.part stay."""
        if error is None:
            clips = [_as_json(_clip(row, self.class_names)) for row in self._clips]
            self._json.write("\n ],\n" + ' "clips": [' + ", ".join(clips) + "]\n}\n")
        for file in (self._csv, self._json):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        if error is None:
            self._write_clips()
            for name in ("predictions.csv", "predictions.json"):
                (self.folder / f"{name}.part").replace(self.folder / name)

    def _write_clips(self) -> None:
        from fewshot_fer.system.files import write_text

        if not self._clips:
            return
        columns = [*CLIP, *(f"p_{name}" for name in self.class_names)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in self._clips)
        write_text(self.folder / "clips.csv", text.getvalue())

    def _open(self, name: str) -> TextIO:
        return (self.folder / f"{name}.part").open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        )


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _nested(row: Row, class_names: Sequence[str]) -> Row:
    """Return a row as JSON has it: the box as a list, the probabilities as an object."""
    box = [row.get(edge) for edge in ("x0", "y0", "x1", "y1")]
    nested = {name: row.get(name) for name in ("file", "frame", "seconds", "face")}
    nested["box"] = None if box[0] is None else box
    nested |= {name: row.get(name) for name in ANSWER}
    nested["probabilities"] = _probabilities(row, class_names)
    return nested | ({"nearest": row["nearest"]} if "nearest" in row else {})


def _clip(row: Row, class_names: Sequence[str]) -> Row:
    nested = {name: row.get(name) for name in CLIP}
    return nested | {"probabilities": _probabilities(row, class_names)}


def _probabilities(row: Row, class_names: Sequence[str]) -> Row | None:
    if row.get("label") is None:
        return None
    return {name: row[f"p_{name}"] for name in class_names}


def _as_json(row: Row) -> str:
    return json.dumps(_without_nan(row), ensure_ascii=False, allow_nan=False)


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value with null for nan, which JSON has not, and six digits for fractions."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value
