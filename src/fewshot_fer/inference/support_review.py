"""What is odd about a support: pictures that look like another class, classes that lie together.

Each picture is left out of its own prototype and classified by the others and what is left of it.
support.csv has a row a picture:

    file, class
    status          ok or no_face; a picture without a face is not in the support
    taken_for       the class it is classified as when left out; empty for the only one of a class
    distance        Euclidean, to the prototype of its class without it
    nearest_other   the class of the nearest other prototype
    other_distance  how far that lies
    odd             true where it is taken for another class and that is much nearer
    reason          why not ok, or what makes the face hard to read

support_classes.csv has a row a class: class, pictures, right (how many of them, when left out),
taken_for (the class that most of the others are taken for) and times (how many).
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fewshot_fer.evaluation.support import SupportSet, picture_rows
from fewshot_fer.evaluation.support_calibration import logits_left_out
from fewshot_fer.inference.classifier import FaceClassifier, squared_distances
from fewshot_fer.inference.crops import OK
from fewshot_fer.inference.inputs import printable
from fewshot_fer.system.files import Row, write_text

MUCH_NEARER = 0.8  # of the distance to its own prototype, that to another class's
TOGETHER = 1 / 3  # of the pictures of two classes, those taken for the other one
SHOWN = 5  # odd pictures on screen; the rest stands in the file
PICTURE = (
    *("file", "class", "status", "taken_for", "distance", "nearest_other", "other_distance"),
    *("odd", "reason"),
)
CLASS = ("class", "pictures", "right", "taken_for", "times")


@dataclass(frozen=True)
class SupportReview:
    """Rows of support.csv and of support_classes.csv."""

    pictures: list[Row]
    classes: list[Row]

    def lines(self, by_number: bool = False) -> list[str]:
        """Return a line for each two classes that lie together and for the oddest pictures.

        by_number: pictures are named by their place in their class, where files are not to be.
        """
        together = self._together()
        lines = [
            f"{' and '.join(sorted(pair))} lie together: {times} of their {total} pictures are "
            f"taken for the other class when left out"
            for pair, (times, total) in together.items()
        ]
        numbers: Counter[str] = Counter()
        odd = []
        for row in self.pictures:
            name = row["class"]
            numbers[name] += 1
            if row["odd"] and frozenset((name, row["taken_for"])) not in together:
                where = f"picture {numbers[name]} of {name}" if by_number else row["file"]
                odd.append((row["other_distance"] / row["distance"], where, row))
        odd.sort(key=lambda each: each[0])
        lines += [
            f"{where} is far from {row['class']} ({row['distance']:.2f}) and near "
            f"{row['nearest_other']} ({row['other_distance']:.2f})"
            for _, where, row in odd[:SHOWN]
        ]
        return lines + ([f"{len(odd) - SHOWN} more such pictures"] if len(odd) > SHOWN else [])

    def _together(self) -> dict[frozenset[str], tuple[int, int]]:
        """Return pairs of classes of which TOGETHER and more are taken for one another: how many,
        and of how many pictures. Classes that nothing tells apart come to a half."""
        judged = [row for row in self.pictures if row["taken_for"]]
        counts = Counter(row["class"] for row in judged)
        wrong = Counter(
            frozenset((row["class"], row["taken_for"]))
            for row in judged
            if row["taken_for"] != row["class"]
        )
        totals = {pair: sum(counts[name] for name in pair) for pair in wrong}
        return {
            pair: (times, totals[pair])
            for pair, times in wrong.items()
            if times > 1 and times >= TOGETHER * totals[pair]
        }

    def write(self, folder: Path) -> None:
        """Write support.csv and support_classes.csv. Raises WriteError."""
        write_text(folder / "support.csv", _as_csv(PICTURE, self.pictures))
        write_text(folder / "support_classes.csv", _as_csv(CLASS, self.classes))


@torch.inference_mode()
def review_support(
    classifier: FaceClassifier, reasons: Mapping[str, str], left_out: Sequence[Row] = ()
) -> SupportReview:
    """Return what leaving out each picture of the classifier's support shows.

    reasons: path -> what makes its face hard to read; left_out: rows of pictures without a face.
    """
    support, names = classifier.support, classifier.class_names
    rows = picture_rows(support)
    labels = support.labels[rows]
    own, alone = _prototypes_left_out(support, rows)
    device = classifier.run.embedder.device
    logits = logits_left_out(support, rows, own, classifier.method, device)
    taken = logits.argmax(dim=1).tolist()
    faces = support.embeddings[rows]
    distances = (faces.double() - own).norm(dim=1).tolist()
    squared = squared_distances(faces, support.prototypes())
    other = squared.scatter(1, labels[:, None], torch.inf).min(dim=1)
    pictures: list[Row] = []
    for place, row in enumerate(rows):
        near, is_alone = float(other.values[place].sqrt()), bool(alone[place])
        label, nearest = names[int(labels[place])], names[int(other.indices[place])]
        given = "" if is_alone else names[taken[place]]
        far = not is_alone and given != label and near < MUCH_NEARER * distances[place]
        path = support.paths[row]
        pictures.append(
            {"file": printable(path), "class": label, "status": OK, "taken_for": given}
            | {"distance": None if is_alone else distances[place], "nearest_other": nearest}
            | {"other_distance": near, "odd": far, "reason": reasons.get(path, "")}
        )
    classes = [
        _class_row(name, [row for row in pictures if row["class"] == name]) for name in names
    ]
    return SupportReview([*pictures, *left_out], classes)


def left_out_row(file: str, label: str, status: str, reason: str) -> Row:
    """Return the row of support.csv of a picture that is not in the support."""
    row: Row = dict.fromkeys(PICTURE)
    known = {"file": file, "class": label, "status": status, "odd": False, "reason": reason}
    return row | known


def _prototypes_left_out(support: SupportSet, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Return the prototype [K, D] of each picture's class without it, and where nothing is left [K]
    but the picture itself."""
    counts = torch.ones(len(support.labels)) if support.counts is None else support.counts
    totals = torch.zeros(len(support.class_names)).index_add_(0, support.labels, counts)
    labels = support.labels[rows]
    whole, own = totals[labels][:, None].double(), counts[rows][:, None].double()
    alone = whole <= own
    faces = support.embeddings[rows].double()
    rest = whole * support.prototypes()[labels].double() - own * faces
    return torch.where(alone, faces, rest / (whole - own).clamp_min(1e-9)), alone[:, 0]


def _class_row(name: str, pictures: list[Row]) -> Row:
    wrong = Counter(row["taken_for"] for row in pictures if row["taken_for"] not in ("", name))
    right = sum(row["taken_for"] == name for row in pictures)
    taken_for, times = wrong.most_common(1)[0] if wrong else ("", 0)
    counts = {"class": name, "pictures": len(pictures), "right": right}
    return counts | {"taken_for": taken_for, "times": times}


def _as_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value
