"""Write predictions.csv, predictions.json and clips.csv: a row a face, a row a video.

predictions.csv
    file            as it was named or found
    frame, seconds  place in a video, from 0; empty for a picture
    face            number of the face in its picture, the largest is 0; empty without one
    x0, y0, x1, y1  box in pixels of the picture; empty with align=false
    label           the class, or "none of these"
    probability     of the most probable class, 0..1
    distance        Euclidean, from the embedding to the prototype of the most probable class
    status          ok, no_face or unreadable
    reason          why not ok, or "small: eyes 9 pixels apart" of a face that is classified
    p_<class>       probability of each class, 0..1
    uses            what a prediction rests on beside pictures of a support, such as other faces

clips.csv has a row a video: file, status, reason, frames (read), faces (frames with a face that
counts), label, probability, rejected (share of these faces that were none of these), p_<class>,
uses.
predictions.json holds both, and which run, support, temperature and threshold they come from.
"""

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from fewshot_fer.inference.classifier import Predictions
from fewshot_fer.inference.crops import OK, Crop
from fewshot_fer.system.files import write_text, writing

PLACE = ("file", "frame", "seconds", "face", "x0", "y0", "x1", "y1")
PREDICTION = ("label", "probability", "distance", "status", "reason")
CLIP = ("file", "status", "reason", "frames", "faces", "label", "probability", "rejected")
USES = "uses"
Row = dict[str, Any]


def make_rows(crops: Sequence[Crop], predictions: Predictions | None, uses: str = "") -> list[Row]:
    """Return a row a crop; `predictions` are for those whose status is ok, in their order.

    uses: what they rest on beside pictures of a support.
    """
    rows: list[Row] = []
    numbers = iter(range(len(crops)))
    for crop in crops:
        row = _place(crop)
        if crop.status == OK:
            assert predictions is not None
            row |= _prediction(predictions, next(numbers)) | {USES: uses}
        rows.append(row)
    return rows


def _place(crop: Crop) -> Row:
    source, box = crop.source, crop.box or (None, None, None, None)
    place = (source.name, source.frame, source.seconds, crop.face, *box)
    row: Row = dict(zip(PLACE, place, strict=True))
    return row | {"label": None, "status": crop.status, "reason": crop.reason}


def _prediction(predictions: Predictions, number: int) -> Row:
    shares = predictions.probabilities[number]
    row: Row = {
        "label": predictions.label(number),
        "probability": float(shares.max()),
        "distance": _number(predictions.distances[number]),
    }
    if predictions.neighbours is not None:
        row["nearest"] = predictions.neighbours[number]
    names = predictions.class_names
    return row | {f"p_{name}": float(share) for name, share in zip(names, shares, strict=True)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class Tables:
    """Writes rows as they come: memory stays bounded, and a run that dies keeps its rows.

    The files are called *.part until the with statement ends.
    """

    def __init__(self, folder: Path, class_names: Sequence[str], facts: Row) -> None:
        self.folder = folder
        self.class_names = class_names
        self.facts = facts
        self._shares = [f"p_{name}" for name in class_names]
        self._clips: list[Row] = []
        self._rows = 0

    def __enter__(self) -> "Tables":
        """Open the files. Raises WriteError."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._csv = self._open("predictions.csv")
            self._json = self._open("predictions.json")
            _write_rows(self._csv, [[*PLACE, *PREDICTION, *self._shares, USES]])
            head = json.dumps(self.facts, indent=1, ensure_ascii=False, allow_nan=False)
            self._json.write(head.rstrip("\n}") + ',\n "predictions": [')
        return self

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows with the columns of predictions.csv, and `nearest` where there is such."""
        columns = [*PLACE, *PREDICTION, *self._shares, USES]
        _write_rows(self._csv, [[row.get(name) for name in columns] for row in rows])
        for row in rows:
            self._json.write(",\n  " if self._rows else "\n  ")
            self._json.write(_as_json(self._nested(row)))
            self._rows += 1
        self._csv.flush()

    def add_clip(self, row: Row) -> None:
        """Keep a row of clips.csv, which is written at the end."""
        self._clips.append(row)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Give the files their names, unless something went wrong: then *.part stay."""
        if kind is None:
            clips = []
            for row in self._clips:
                own = {"probabilities": self._probabilities(row), USES: row.get(USES)}
                clips.append(_as_json({name: row.get(name) for name in CLIP} | own))
            self._json.write("\n ],\n" + ' "clips": [' + ", ".join(clips) + "]\n}\n")
        for file in (self._csv, self._json):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        if kind is None:
            self._write_clips()
            for name in ("predictions.csv", "predictions.json"):
                (self.folder / f"{name}.part").replace(self.folder / name)

    def _write_clips(self) -> None:
        if not self._clips:
            return
        columns, text = [*CLIP, *self._shares, USES], io.StringIO()
        rows = [[row.get(name) for name in columns] for row in self._clips]
        _write_rows(text, [columns, *rows])
        write_text(self.folder / "clips.csv", text.getvalue())

    def _open(self, name: str) -> TextIO:
        return (self.folder / f"{name}.part").open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        )

    def _nested(self, row: Row) -> Row:
        """Return a row as JSON has it: the box as a list, the probabilities as an object."""
        box = [row.get(edge) for edge in ("x0", "y0", "x1", "y1")]
        nested = {name: row.get(name) for name in ("file", "frame", "seconds", "face")}
        nested["box"] = None if box[0] is None else box
        nested |= {name: row.get(name) for name in PREDICTION}
        nested |= {"probabilities": self._probabilities(row), USES: row.get(USES)}
        if "nearest" in row:
            nested["nearest"] = [vars(near) for near in row["nearest"]]
        return nested

    def _probabilities(self, row: Row) -> Row | None:
        if row.get("label") is None:
            return None
        return {name: row[f"p_{name}"] for name in self.class_names}


def _write_rows(file: TextIO, rows: Sequence[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


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
