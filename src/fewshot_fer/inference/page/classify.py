"""Classify a visitor's picture, camera or video for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fewshot_fer.data.decode import read_picture
from fewshot_fer.inference.classifier import FaceClassifier, Neighbour, Predictions
from fewshot_fer.inference.clips import Clip
from fewshot_fer.inference.crops import NO_FACE, OK, Crop, Cropper, draw_boxes
from fewshot_fer.inference.enrol import Enrolment
from fewshot_fer.inference.explain import support_picture
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.inference.page.decide import Decider, Known
from fewshot_fer.inference.page.visitor import LiveFace, Visitor
from fewshot_fer.inference.tables import make_rows
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.system.errors import UserError

MOST_FACES = 10  # whose nearest support pictures are shown
LIVE_SIDE = 480  # pixels of a frame of the camera: finding faces in more takes too long
FRESH = 0.5  # weight of the newest frame in what is shown
FPS = 5.0  # frames a second that are read of a video


@dataclass(frozen=True)
class Shown:
    """A face, its label, and the support pictures near it."""

    crop: Pixels
    label: str
    near: Sequence[Neighbour]


@dataclass(frozen=True)
class PictureResult:
    """What the page shows for a picture, a frame or a video.

    headline: a sentence; probabilities: class -> share of the largest face; faces: the first of
    them; picture: with boxes and labels; rows: a row a face.
    """

    headline: str
    probabilities: dict[str, float] | None = None
    faces: tuple[Shown, ...] = ()
    picture: Image.Image | None = None
    rows: tuple[tuple[str, ...], ...] = ()


class PictureClassifier:
    """A run that classifies for visitors, each with what that visitor has taught.

    start: the support in use; taught: what every visitor begins with, as if it had been taught.
    """

    def __init__(
        self, run: LoadedRun, start: Enrolment, cropper: Cropper, taught: Enrolment | None = None
    ) -> None:
        self.run = run
        self.start = start
        self.cropper = cropper
        self.known = Known.of(run, start)
        self.first = Visitor()
        if taught is not None:
            crops = {path: support_picture(path, taught.crops) for path in taught.support.paths}
            kept = {path: crop for path, crop in crops.items() if crop is not None}
            self.first.load(Enrolment(taught.support, kept))
            self.first.choose(only_mine=True, may_reject=False)

    def remarks(self) -> list[str]:
        """Return what a visitor would not expect of the predictions, a sentence each."""
        return FaceClassifier(self.run, self.start.support).remarks()

    def decider(self, visitor: Visitor) -> Decider:
        """Return what decides for a visitor now."""
        if visitor.decider is None:
            visitor.decider = Decider(self.known, visitor)
        decider: Decider = visitor.decider
        return decider

    def classify(self, file: Path, visitor: Visitor) -> PictureResult:
        """Classify every face of a picture; the headline says what is wrong with a bad file."""
        crops = [crop for block in self.cropper.pictures([file]) for crop in block]
        faces = [crop for crop in crops if crop.status == OK]
        if not faces:
            return PictureResult(_fault(crops[0]))
        predictions = self._predict(
            [crop.pixels for crop in faces if crop.pixels is not None], visitor
        )
        tops = predictions.probabilities.max(axis=1).tolist()
        labels = [predictions.label(row) for row in range(len(faces))]
        captions = [f"{label} {100 * top:.0f} %" for label, top in zip(labels, tops, strict=True)]
        together = f"{len(captions)} faces: {', '.join(captions)}"
        boxes, known = [crop.box for crop in faces], predictions.known.tolist()
        rows = zip(labels, tops, predictions.distances, strict=True)
        return PictureResult(
            headline=captions[0] if len(captions) == 1 else together,
            probabilities=_shares(predictions, 0),
            faces=_shown(faces[:MOST_FACES], predictions),
            picture=draw_boxes(read_picture(file), boxes, captions, known),
            rows=tuple(
                (str(row + 1), label, f"{100 * top:.1f} %", _distance(distance))
                for row, (label, top, distance) in enumerate(rows)
            ),
        )

    def classify_frame(self, pixels: Pixels, visitor: Visitor) -> PictureResult:
        """Classify the largest face of a camera's frame [H, W, 3], smoothed over frames."""
        picture = Image.fromarray(pixels)
        picture.thumbnail((LIVE_SIDE, LIVE_SIDE), Image.Resampling.BILINEAR)
        last = visitor.live
        crop, track = self.cropper.camera(np.asarray(picture), last.track if last else None)
        if crop.pixels is None:
            visitor.live = None
            return PictureResult("No face found.")
        embedding = self.run.embedder.embed_pixels(crop.pixels[None])
        predictions = self.decider(visitor).decide(embedding)
        shares = _shares(predictions, 0)
        if last is not None and last.shares.keys() == shares.keys():
            shares = {
                name: FRESH * share + (1 - FRESH) * last.shares[name]
                for name, share in shares.items()
            }
        visitor.seen += 1
        kept = embedding[0].float().cpu()
        visitor.live = LiveFace(visitor.seen, crop.pixels, kept, shares, track)
        top = max(shares, key=lambda name: shares[name])
        label = top if predictions.known[0] else predictions.label(0)
        headline = f"{label} {100 * shares[top]:.0f} %" if predictions.known[0] else label
        return PictureResult(headline, shares, _shown([crop], predictions))

    def classify_video(self, file: Path, visitor: Visitor, curve: Path) -> PictureResult:
        """Classify a video's frames, and draw the probabilities over time into `curve`."""
        names = self.decider(visitor).class_names
        clip = Clip(file, names)
        try:
            for crops in self.cropper.video(file, FPS):
                pixels = [crop.pixels for crop in crops if crop.pixels is not None]
                predictions = self._predict(pixels, visitor) if pixels else None
                clip.add(make_rows(crops, predictions))
        except UserError as error:  # the extra is missing
            return PictureResult(f"{error}.")
        row = clip.row()
        if row["label"] is None:
            return PictureResult("No face found." if clip.frames else "No video, or damaged.")
        clip.plot(row, curve)
        shares = {name: row[f"p_{name}"] for name in names}
        seen = f"a face in {row['faces']} of {row['frames']} frames"
        return PictureResult(f"{row['label']} {100 * row['probability']:.0f} %, {seen}", shares)

    def _predict(self, pixels: list[Pixels], visitor: Visitor) -> Predictions:
        return self.decider(visitor).decide(self.run.embedder.embed_pixels(np.stack(pixels)))


def _shown(faces: list[Crop], predictions: Predictions) -> tuple[Shown, ...]:
    """Return faces with their labels and neighbours."""
    near = predictions.neighbours or [[] for _ in faces]
    return tuple(
        Shown(crop.pixels, predictions.label(row), near[row])
        for row, crop in enumerate(faces)
        if crop.pixels is not None
    )


def _shares(predictions: Predictions, row: int) -> dict[str, float]:
    """Return class -> probability of a face."""
    shares = predictions.probabilities[row].tolist()
    return dict(zip(predictions.class_names, shares, strict=True))


def _distance(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def _fault(crop: Crop) -> str:
    """Return what is wrong with a picture, without the name that its file has on the server."""
    if crop.status == NO_FACE:
        return "No face found."
    if "too large" in crop.reason:
        return "This picture has too many pixels."
    return "This file cannot be read as a picture."
