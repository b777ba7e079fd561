"""Everything that a prediction leaves: tables, drawings, explanations, pictures of clips.

What a prediction says on screen.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from fewshot_fer.config.verbs import PredictVerb
from fewshot_fer.inference.classifier import NONE, FaceClassifier, Predictions
from fewshot_fer.inference.clips import Clip, plot_clip
from fewshot_fer.inference.crops import OK, UNREADABLE, Crop
from fewshot_fer.inference.draw import Names, draw_answers, for_drawing, note_on, save_picture
from fewshot_fer.inference.explain import Explained, Neighbour, Pages, SupportPictures
from fewshot_fer.inference.inputs import Pixels, printable
from fewshot_fer.inference.tables import Row, Tables
from fewshot_fer.system.errors import RunError

SHOWN = 40  # rows; the rest stands in the file
WIDEST = 60  # letters of a file's name
HEADINGS = ("file", "face", "label", "probability", "distance", "status")
CLIP_HEADINGS = ("video", "frames", "faces", "label", "probability", "status")


class Summary:
    """Keeps what the screen shows of any number of rows: the first ones, and counts."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.clips: list[Row] = []
        self._frames = 0  # rows of videos
        self._labels: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()

    def add(self, rows: Sequence[Row], of_video: bool = False) -> None:
        """Take in rows of predictions.csv; of a video, only the whole is shown."""
        if of_video:
            self._frames += len(rows)
        else:
            self.rows += rows[: SHOWN - len(self.rows)]
        self._statuses.update(row["status"] for row in rows)
        self._labels.update(row["label"] for row in rows if row["status"] == OK)

    def text(self) -> str:
        """Return the table, and a line that counts what was answered."""
        parts = []
        if self.rows:
            parts.append(_table(HEADINGS, [_cells(row) for row in self.rows]))
            more = self._statuses.total() - self._frames - len(self.rows)
            if more > 0:
                parts[-1] += f"\n... and {more:,} more in predictions.csv"
        if self.clips:
            parts.append(_table(CLIP_HEADINGS, [_clip_cells(row) for row in self.clips[:SHOWN]]))
        return "\n\n".join([*parts, self._counts()])

    def _counts(self) -> str:
        of_label = ", ".join(f"{name} {count:,}" for name, count in self._labels.most_common())
        counts = [f"{self._statuses[OK]:,} answered" + (f" ({of_label})" if of_label else "")]
        others = (pair for pair in self._statuses.items() if pair[0] != OK)
        return ", ".join(counts + [f"{count:,} {status}" for status, count in others])


def rejection_line(reject: Row | None) -> list[str]:
    """Return a line on what "none of these" means here, nothing where every face is answered."""
    if reject is None:
        return []
    return [
        f"none of these: {reject['distance']:.2f} and more from every prototype; in validation "
        f"{100 * reject['false_accept']:.1f} % of unknown expressions came nearer, and "
        f"{100 * reject['false_reject']:.1f} % of known ones did not"
    ]


def _cells(row: Row) -> tuple[str, ...]:
    face = "" if row.get("face") is None else str(row["face"])
    return (_shortened(row["file"]), face, *_answer(row), _status(row))


def _answer(row: Row) -> tuple[str, str, str]:
    if row.get("label") is None:
        return "", "", ""
    return row["label"], f"{100 * row['probability']:.1f} %", f"{row['distance']:.2f}"


def _clip_cells(row: Row) -> tuple[str, ...]:
    label, probability = row.get("label") or "", ""
    if label:
        probability = f"{100 * row['probability']:.1f} %"
    counts = (str(row["frames"]), str(row["faces"]))
    return (_shortened(row["file"]), *counts, label, probability, _status(row))


def _status(row: Row) -> str:
    status: str = row["status"]
    reason = (row.get("reason") or "").removeprefix(f"{row['file']} ")  # it stands in the line
    return status if status == OK and not reason else f"{status}: {reason}"


def _shortened(name: str) -> str:
    return name if len(name) <= WIDEST else "…" + name[1 - WIDEST :]


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows under their headings: names to the left, figures to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    left = {0, headings.index("label"), headings.index("status")}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


class Writing:
    """Takes in crops and rows block by block and writes what the settings ask for."""

    def __init__(
        self,
        folder: Path,
        answering: FaceClassifier,
        support_crops: dict[str, Pixels],
        facts: dict[str, Any],
        settings: PredictVerb,
    ) -> None:
        self.folder = folder
        self.answering = answering
        self.tables = Tables(folder, answering.class_names, facts)
        self.summary = Summary()
        self.pages = Pages(folder) if settings.neighbours else None
        self.drawing = settings.draw
        self._pictures = SupportPictures(support_crops)
        self._names = Names()

    def __enter__(self) -> "Writing":
        try:
            self.tables.__enter__()
        except OSError as error:
            raise RunError(f"cannot write to {self.folder}: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pages is not None:
            self.pages.finish()
        self.tables.__exit__(kind, error, trace)

    def add(
        self,
        crops: Sequence[Crop],
        rows: Sequence[Row],
        answers: Predictions | None,
        of_video: bool = False,
    ) -> None:
        """Write a block: the rows of its crops, and the answers to those that are ok."""
        if self.pages is not None and answers is not None:
            self._explain(crops, rows, answers)
        self.tables.add(rows)
        self.summary.add(rows, of_video)
        if self.drawing:
            pairs = zip(crops, rows, strict=True)
            for _, of_shot in itertools.groupby(pairs, key=lambda pair: id(pair[0].shot)):
                self._draw(list(of_shot))

    def add_clip(self, clip: Clip) -> None:
        """Write a clip's row and the picture of its probabilities over time."""
        row = clip.row()
        self.tables.add_clip(row)
        self.summary.clips.append(row)
        if row["status"] == OK:
            picture = self.folder / f"{self._names.of(clip.file)}_probabilities.png"
            plot_clip(clip, row, picture)

    def screen(self, as_json: bool) -> str:
        """Return what to print: the table with where it lies, or the JSON."""
        if as_json:
            return (self.folder / "predictions.json").read_text(encoding="utf-8").rstrip()
        remarks = [*rejection_line(self.tables.facts["reject"]), *self.answering.remarks()]
        return "\n\n".join([self.summary.text(), *remarks, f"written to {self.folder}"])

    def _explain(self, crops: Sequence[Crop], rows: Sequence[Row], answers: Predictions) -> None:
        """Name each face's neighbours in its row and put them on a page."""
        assert self.pages is not None
        answered = [(crop, row) for crop, row in zip(crops, rows, strict=True) if crop.status == OK]
        for number, (crop, row) in enumerate(answered):
            support = self.answering.support
            places, far = answers.nearest[number].tolist(), answers.nearest_distances[number]
            paths = [support.paths[place] for place in places]
            labels = [support.class_names[int(support.labels[place])] for place in places]
            row["nearest"] = [
                {"file": path, "label": label, "distance": float(distance)}
                for path, label, distance in zip(paths, labels, far, strict=True)
            ]
            neighbours = [
                Neighbour(near["label"], near["distance"], self._pictures.picture(near["file"]))
                for near in row["nearest"]
            ]
            self.pages.add([_explained(crop, row, neighbours)])

    def _draw(self, of_shot: Sequence[tuple[Crop, Row]]) -> None:
        """Draw all answers to one picture or frame."""
        crop = of_shot[0][0]
        if crop.status == UNREADABLE:
            return
        if crop.status == OK:
            boxes = [crop.box for crop, _ in of_shot]
            captions = [f"{row['label']} {100 * row['probability']:.0f} %" for _, row in of_shot]
            known = [row["label"] != NONE for _, row in of_shot]
            drawing = draw_answers(_whole(crop), boxes, captions, known)
        else:
            drawing = note_on(_whole(crop), crop.status)
        name, frame = self._names.of(crop.shot.file), crop.shot.frame
        of_frame = f"{name}.jpg" if frame is None else f"{name}/{frame:06}.jpg"
        save_picture(drawing, self.folder / "drawn" / of_frame)


def _whole(crop: Crop) -> Pixels:
    """Return the picture [H, W, 3] that is drawn on: a photograph, or the crop where it is one."""
    if crop.box is None and crop.pixels is not None:
        return for_drawing(crop.pixels)
    assert crop.shot.pixels is not None
    return crop.shot.pixels


def _explained(crop: Crop, row: Row, neighbours: Sequence[Neighbour]) -> Explained:
    assert crop.pixels is not None
    name = printable(crop.shot.file.name)
    if crop.shot.seconds is not None:
        name = f"{crop.shot.seconds:.2f} s of {name}"
    label, known = row["label"], row["label"] != NONE
    return Explained(name, label, row["probability"], known, crop.pixels, neighbours)
