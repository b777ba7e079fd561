"""Write all that a prediction leaves: tables, drawings, explanations, plots, and a summary."""

import itertools
from collections import Counter
from collections.abc import Sequence

from fewshot_fer.config.verb_settings import PredictVerb
from fewshot_fer.data.faces.detector import SMALL, SMALL_EYES
from fewshot_fer.inference.classifier import NONE, FaceClassifier
from fewshot_fer.inference.clips import Clip
from fewshot_fer.inference.crops import (
    OK,
    UNREADABLE,
    Crop,
    FileNames,
    draw_boxes,
    draw_note,
    for_drawing,
    save_picture,
)
from fewshot_fer.inference.explain import Pages
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.inference.refine import Refinement
from fewshot_fer.inference.tables import Row, Tables
from fewshot_fer.system.text import percent, text_table

SHOWN = 40  # rows on screen; the rest stands in the file
WIDEST = 60  # letters of a file's name on screen
HEADINGS = ("file", "face", "label", "probability", "distance", "status")
CLIP_HEADINGS = ("video", "frames", "faces", "label", "probability", "status")


class PredictionWriter:
    """Writes crops and their rows, block by block, in the forms that the settings ask for."""

    def __init__(
        self,
        tables: Tables,
        classifier: FaceClassifier | Refinement,
        support_crops: dict[str, Pixels],
        settings: PredictVerb,
    ) -> None:
        self.folder = tables.folder
        self.classifier = classifier
        self.tables = tables
        self.summary = Summary()
        self.pages = Pages(self.folder, support_crops) if settings.neighbours else None
        self.drawing = settings.draw
        self._names = FileNames()

    @property
    def takes_pixels(self) -> bool:
        """Whether what is written shows the faces themselves."""
        return self.drawing or self.pages is not None

    def close(self) -> None:
        """Write the last page of explanations."""
        if self.pages is not None:
            self.pages.finish()

    def add(self, crops: Sequence[Crop], rows: Sequence[Row], of_video: bool = False) -> None:
        """Write a block: its rows, and the pictures that show them."""
        pairs = list(zip(crops, rows, strict=True))
        if self.pages is not None:
            self.pages.add([pair for pair in pairs if pair[0].status == OK])
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


class Summary:
    """The first of any number of rows, and how many there were of each label and status."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.clips: list[Row] = []
        self._frames = 0  # rows of videos
        self._labels: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._small = 0

    def add(self, rows: Sequence[Row], of_video: bool = False) -> None:
        """Count rows of predictions.csv; of a video, only the whole is shown."""
        if of_video:
            self._frames += len(rows)
        else:
            self.rows += rows[: SHOWN - len(self.rows)]
        self._statuses.update(row["status"] for row in rows)
        self._small += sum((row["reason"] or "").startswith(SMALL) for row in rows)
        self._labels.update(row["label"] for row in rows if row["status"] == OK)

    def text(self) -> str:
        """Return the tables of pictures and of videos, and a line of counts."""
        paragraphs = []
        if self.rows:
            paragraphs.append(text_table([HEADINGS, *map(_cells, self.rows)], left=(0, 2, 5)))
            more = self._statuses.total() - self._frames - len(self.rows)
            if more > 0:
                paragraphs[-1] += f"\n... and {more:,} more in predictions.csv"
        if self.clips:
            rows = [CLIP_HEADINGS, *map(_clip_cells, self.clips[:SHOWN])]
            paragraphs.append(text_table(rows, left=(0, 3, 5)))
        return "\n\n".join([*paragraphs, self._counts()])

    def _counts(self) -> str:
        of_label = ", ".join(f"{name} {count:,}" for name, count in self._labels.most_common())
        counts = [f"{self._statuses[OK]:,} answered" + (f" ({of_label})" if of_label else "")]
        others = (pair for pair in self._statuses.items() if pair[0] != OK)
        line = ", ".join(counts + [f"{count:,} {status}" for status, count in others])
        if not self._small:
            return line
        apart = f"small faces (eyes under {SMALL_EYES:.0f} pixels apart)"
        return f"{line}\n{apart}: {self._small:,}, be less sure of them"


def rejection_line(reject: Row | None) -> list[str]:
    """Return a line on what "none of these" means here, nothing where no face can be that."""
    if reject is None:
        return []
    said = [
        f"none of these: {reject['distance']:.2f} and more from every prototype, for a "
        f"false-accept rate of {percent(reject['false_accept'])}"
    ]
    said += [
        f"{percent(each['accepted'])} of {_unknown(each)} came nearer"
        for each in reject["measured"]
    ]
    if reject["false_reject"] is not None:
        said.append(
            f"{percent(reject['false_reject'])} of the support's pictures, each left out of its "
            f"own prototype, did not"
        )
    if all(each["on"] == "support" for each in reject["measured"]):
        said.append("expressions unlike the support's may come nearer: the run stores no others")
    return ["; ".join(said)]


def _unknown(faces: Row) -> str:
    """Return what unknown faces were measured."""
    counts = f"{faces['pictures']:,} pictures of {faces['classes']} classes"
    if faces["on"] == "support":
        return f"the support's {counts}, each class left out in turn,"
    return f"validation's {counts} that training and support do not have"


def _whole(crop: Crop) -> Pixels:
    """Return the picture [H, W, 3] that is drawn on: a photograph, or the crop where it is one."""
    if crop.box is None and crop.pixels is not None:
        return for_drawing(crop.pixels)
    assert crop.source.pixels is not None
    return crop.source.pixels


def _cells(row: Row) -> tuple[str, ...]:
    face = "" if row.get("face") is None else str(row["face"])
    distance = "" if row.get("distance") is None else f"{row['distance']:.2f}"
    return (_shortened(row["file"]), face, *_prediction(row), distance, _status(row))


def _clip_cells(row: Row) -> tuple[str, ...]:
    counts = (str(row["frames"]), str(row["faces"]))
    return (_shortened(row["file"]), *counts, *_prediction(row), _status(row))


def _prediction(row: Row) -> tuple[str, str]:
    return (row["label"], percent(row["probability"])) if row.get("label") else ("", "")


def _status(row: Row) -> str:
    status: str = row["status"]
    reason = (row.get("reason") or "").removeprefix(f"{row['file']} ")  # it stands in the line
    return status if status == OK and not reason else f"{status}: {reason}"


def _shortened(name: str) -> str:
    return name if len(name) <= WIDEST else "…" + name[1 - WIDEST :]
