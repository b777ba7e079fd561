"""Classify a visitor's picture for the page, and add a class of a visitor's own to the support."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fewshot_fer.data.decode import read_picture
from fewshot_fer.data.labels import plain_name
from fewshot_fer.inference.classifier import NONE, FaceClassifier, Predictions
from fewshot_fer.inference.crops import NO_FACE, OK, Crop, Cropper, draw_boxes
from fewshot_fer.inference.enrol import Enrolment, enrol, join_supports, with_run_priors
from fewshot_fer.inference.explain import support_picture, tile
from fewshot_fer.inference.support_review import review_support
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.system.errors import DataError, NoFaceError, UserError

NEIGHBOURS = 5
MOST_FACES = 10  # explained on the page
LONGEST_NAME = 60
TILE = 200  # pixels a side
CaptionedPicture = tuple[Image.Image, str]


@dataclass(frozen=True)
class PictureResult:
    """What the page shows for a picture.

    headline: a sentence; picture: with boxes and labels; probabilities: class -> share of the
    largest face; rows: a row a face; neighbours: each face, then the support pictures near it.
    """

    headline: str
    picture: Image.Image | None = None
    probabilities: dict[str, float] | None = None
    rows: tuple[tuple[str, ...], ...] = ()
    neighbours: tuple[CaptionedPicture, ...] = ()


class PictureClassifier:
    """A trained run that classifies one picture at a time, with each visitor's own support."""

    def __init__(self, run: LoadedRun, start: Enrolment, cropper: Cropper) -> None:
        self.run = run
        self.start = start
        self.cropper = cropper

    def remarks(self) -> list[str]:
        """Return what a visitor would not expect of the predictions, a sentence each."""
        return FaceClassifier(self.run, self.start.support).remarks()

    def classify(self, file: Path, enrolment: Enrolment) -> PictureResult:
        """Classify every face of a picture; the headline says what is wrong with a bad file."""
        crops = [crop for block in self.cropper.pictures([file]) for crop in block]
        faces = [crop for crop in crops if crop.status == OK]
        if not faces:
            return PictureResult(_fault(crops[0]))
        classifier = FaceClassifier(self.run, enrolment.support, neighbours=NEIGHBOURS)
        pixels = [crop.pixels for crop in faces if crop.pixels is not None]
        predictions = classifier.classify(np.stack(pixels))
        tops = predictions.probabilities.max(axis=1).tolist()
        labels = [predictions.label(row) for row in range(len(faces))]
        captions = [f"{label} {100 * top:.0f} %" for label, top in zip(labels, tops, strict=True)]
        together = f"{len(captions)} faces: {', '.join(captions)}"
        boxes, known = [crop.box for crop in faces], [True] * len(faces)
        shares = predictions.probabilities[0].tolist()
        return PictureResult(
            headline=captions[0] if len(captions) == 1 else together,
            picture=draw_boxes(read_picture(file), boxes, captions, known),
            probabilities=dict(zip(predictions.class_names, shares, strict=True)),
            rows=tuple(
                (str(row + 1), label, f"{100 * tops[row]:.1f} %", _distance(distance))
                for row, (label, distance) in enumerate(
                    zip(labels, predictions.distances, strict=True)
                )
            ),
            neighbours=_captioned(faces[:MOST_FACES], predictions, enrolment),
        )

    def add_class(
        self, name: str, files: list[Path], enrolment: Enrolment
    ) -> tuple[Enrolment, str]:
        """Return the support with pictures of a class added, and a message on that.

        A class that is there already gets more pictures. A mistake leaves the support as it was.
        """
        name = plain_name(name)[:LONGEST_NAME].strip()
        if not name:
            return enrolment, "Give the class a name."
        if name == NONE:
            return enrolment, f"Give the class another name: {NONE} is said of faces of no class."
        if not files:
            return enrolment, "Choose some pictures of it first; five will do."
        try:
            new = enrol({name: files}, self.run, self.cropper)
        except NoFaceError:
            return enrolment, "Nothing added: no face found in the pictures."
        except DataError:
            return enrolment, "Nothing added: a picture cannot be read."
        except UserError as error:
            return enrolment, f"Nothing added: {error}."
        support = with_run_priors(join_supports(enrolment.support, new.support), self.run)
        count, total = len(new.support.labels), len(support.class_names)
        message = f"{name}: {count} picture{'s' if count > 1 else ''} added. {total} classes now."
        review = review_support(FaceClassifier(self.run, support), new.reasons)
        message += "".join(f" {line}." for line in review.lines(by_number=True))
        return Enrolment(support, {**enrolment.crops, **new.crops}), message


def _distance(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def _fault(crop: Crop) -> str:
    """Return what is wrong with a picture, without the name that its file has on the server."""
    if crop.status == NO_FACE:
        return "No face found."
    if "too large" in crop.reason:
        return "This picture has too many pixels."
    return "This file cannot be read as a picture."


def _captioned(
    faces: list[Crop], predictions: Predictions, enrolment: Enrolment
) -> tuple[CaptionedPicture, ...]:
    """Return each face and its neighbours as pictures with captions."""
    tiles = []
    assert predictions.neighbours is not None
    for row, crop in enumerate(faces):
        tiles.append((tile(crop.pixels, TILE), f"face {row + 1}: {predictions.label(row)}"))
        for near in predictions.neighbours[row]:
            caption = f"{near.label} {near.distance:.2f}"
            tiles.append((tile(support_picture(near.file, enrolment.crops), TILE), caption))
    return tuple(tiles)
