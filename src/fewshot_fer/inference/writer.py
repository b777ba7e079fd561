"""Write all that a prediction leaves: tables, drawings, explanations and plots of clips."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from fewshot_fer.config.verbs import PredictVerb
from fewshot_fer.inference.classifier import NONE, FaceClassifier
from fewshot_fer.inference.clips import Clip
from fewshot_fer.inference.crops import OK, UNREADABLE, Crop
from fewshot_fer.inference.draw import FileNames, draw_boxes, draw_note, for_drawing, save_picture
from fewshot_fer.inference.explain import Pages, SupportPictures, explain
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.inference.summary import Summary, rejection_line
from fewshot_fer.inference.tables import Row, Tables


class PredictionWriter:
    """Writes crops and their rows, block by block, in the forms that the settings ask for."""

    def __init__(
        self,
        folder: Path,
        classifier: FaceClassifier,
        support_crops: dict[str, Pixels],
        facts: dict[str, Any],
        settings: PredictVerb,
    ) -> None:
        self.folder = folder
        self.classifier = classifier
        self.tables = Tables(folder, classifier.class_names, facts)
        self.summary = Summary()
        self.pages = Pages(folder) if settings.neighbours else None
        self.drawing = settings.draw
        self._pictures = SupportPictures(support_crops)
        self._names = FileNames()

    def __enter__(self) -> "PredictionWriter":
        self.tables.__enter__()
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

    def add(self, crops: Sequence[Crop], rows: Sequence[Row], of_video: bool = False) -> None:
        """Write a block: its rows, and the pictures that show them."""
        pairs = list(zip(crops, rows, strict=True))
        if self.pages is not None:
            faces = [pair for pair in pairs if pair[0].status == OK]
            self.pages.add([explain(crop, row, self._pictures) for crop, row in faces])
        self.tables.add(rows)
        self.summary.add(rows, of_video)
        if self.drawing:
            for _, faces_of in itertools.groupby(pairs, key=lambda pair: id(pair[0].source)):
                self._draw(list(faces_of))

    def add_clip(self, clip: Clip) -> None:
        """Write a clip's row and the plot of its probabilities over time."""
        row = clip.row()
        self.tables.add_clip(row)
        self.summary.clips.append(row)
        if row["status"] == OK:
            clip.plot(row, self.folder / f"{self._names.of(clip.file)}_probabilities.png")

    def screen(self, as_json: bool) -> str:
        """Return what to print: the summary with where the files lie, or the JSON."""
        if as_json:
            return (self.folder / "predictions.json").read_text(encoding="utf-8").rstrip()
        remarks = [*rejection_line(self.tables.facts["reject"]), *self.classifier.remarks()]
        return "\n\n".join([self.summary.text(), *remarks, f"written to {self.folder}"])

    def _draw(self, faces: Sequence[tuple[Crop, Row]]) -> None:
        """Draw all faces of one picture or frame."""
        crop = faces[0][0]
        if crop.status == UNREADABLE:
            return
        if crop.status == OK:
            boxes = [crop.box for crop, _ in faces]
            captions = [f"{row['label']} {100 * row['probability']:.0f} %" for _, row in faces]
            known = [row["label"] != NONE for _, row in faces]
            drawing = draw_boxes(_whole(crop), boxes, captions, known)
        else:
            drawing = draw_note(_whole(crop), "no face found")
        name, frame = self._names.of(crop.source.file), crop.source.frame
        of_frame = f"{name}.jpg" if frame is None else f"{name}/{frame:06}.jpg"
        save_picture(drawing, self.folder / "drawn" / of_frame)


def _whole(crop: Crop) -> Pixels:
    """Return the picture [H, W, 3] that is drawn on: a photograph, or the crop where it is one."""
    if crop.box is None and crop.pixels is not None:
        return for_drawing(crop.pixels)
    assert crop.source.pixels is not None
    return crop.source.pixels
