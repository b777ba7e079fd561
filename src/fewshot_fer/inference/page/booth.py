"""What the page shows for a picture, and what it does with pictures of a new class."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fewshot_fer.data.decode import read_upright
from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.inference.classifier import FaceClassifier, Predictions
from fewshot_fer.inference.crops import NO_FACE, OK, Crop, Cropping
from fewshot_fer.inference.draw import draw_answers, for_drawing
from fewshot_fer.inference.enrol import Enrolled, enrol, with_own_priors
from fewshot_fer.inference.explain import SupportPictures
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.system.errors import DataError, UserError

NEIGHBOURS = 5
MOST_FACES = 10  # explained on the page
LONGEST_NAME = 60
TILE, GREY = 200, (225, 225, 225)
Captioned = tuple[Image.Image, str]


@dataclass(frozen=True)
class Shown:
    """answer: a sentence; picture: with boxes and labels; shares: class -> probability of the
    largest face; rows: a row a face; why: each face and then the support pictures nearest to it,
    each picture with its caption."""

    answer: str
    picture: Image.Image | None = None
    shares: dict[str, float] | None = None
    rows: tuple[tuple[str, ...], ...] = ()
    why: tuple[Captioned, ...] = ()


class Booth:
    """A trained run that answers pictures one at a time; the support is the visitor's own."""

    def __init__(self, run: LoadedRun, start: Enrolled, cropping: Cropping) -> None:
        self.run = run
        self.start = start
        self.cropping = cropping

    def remarks(self) -> list[str]:
        """Return what a visitor would not expect of the answers, a sentence each."""
        return FaceClassifier(self.run, self.start.support).remarks()

    def look(self, file: Path, enrolled: Enrolled) -> Shown:
        """Answer every face of a picture with a support; say what is wrong with a bad file."""
        crops = [crop for block in self.cropping.pictures([file]) for crop in block]
        faces = [crop for crop in crops if crop.status == OK]
        if not faces:
            return Shown(_why_not(crops[0]))
        answering = FaceClassifier(self.run, enrolled.support, neighbours=NEIGHBOURS)
        answers = answering.answer(
            np.stack([crop.pixels for crop in faces if crop.pixels is not None])
        )
        labels = [answers.label(row) for row in range(len(faces))]
        tops = [float(answers.probabilities[row].max()) for row in range(len(faces))]
        said = [f"{label} {100 * top:.0f} %" for label, top in zip(labels, tops, strict=True)]
        return Shown(
            answer=said[0] if len(said) == 1 else f"{len(said)} faces: {', '.join(said)}",
            picture=draw_answers(
                np.asarray(read_upright(file)),
                [crop.box for crop in faces],
                said,
                [True] * len(faces),
            ),
            shares=dict(
                zip(answers.class_names, map(float, answers.probabilities[0]), strict=True)
            ),
            rows=tuple(
                (
                    str(row + 1),
                    labels[row],
                    f"{100 * tops[row]:.1f} %",
                    f"{answers.distances[row]:.2f}",
                )
                for row in range(len(faces))
            ),
            why=self._why(faces[:MOST_FACES], answers, enrolled),
        )

    def add_class(self, name: str, files: list[Path], enrolled: Enrolled) -> tuple[Enrolled, str]:
        """Return the support with pictures of a class added, and what to say of it.

        A class that is there already gets more pictures. A mistake leaves the support as it was.
        """
        name = " ".join(name.split())[:LONGEST_NAME]
        if not name:
            return enrolled, "Give the class a name."
        if not files:
            return enrolled, "Choose some pictures of it first; five will do."
        try:
            new = enrol({name: files}, self.run, self.cropping)
        except UserError as error:
            fault = "a picture cannot be read" if isinstance(error, DataError) else str(error)
            fault = "no face found in the pictures" if "no face" in str(error) else fault
            return enrolled, f"Nothing added: {fault}."
        support = with_own_priors(joined(enrolled.support, new.support), self.run)
        count, total = len(new.support.labels), len(support.class_names)
        said = f"{name}: {count} picture{'s' if count > 1 else ''} added. {total} classes now."
        return Enrolled(support, {**enrolled.crops, **new.crops}), said

    def _why(
        self, faces: list[Crop], answers: Predictions, enrolled: Enrolled
    ) -> tuple[Captioned, ...]:
        pictures, support = SupportPictures(enrolled.crops), enrolled.support
        shown: list[Captioned] = []
        for row, crop in enumerate(faces):
            shown.append((_tile(crop.pixels), f"face {row + 1}: {answers.label(row)}"))
            near = zip(answers.nearest[row], answers.nearest_distances[row], strict=True)
            for place, far in near:
                label = support.class_names[int(support.labels[place])]
                tile = _tile(pictures.picture(support.paths[place]))
                shown.append((tile, f"{label} {far:.2f}"))
        return tuple(shown)


def _why_not(crop: Crop) -> str:
    """Return what is wrong with a picture, without the name that its file has on the server."""
    if crop.status == NO_FACE:
        return "No face found."
    if "too large" in crop.reason:
        return "This picture has too many pixels."
    return "This file cannot be read as a picture."


def _tile(pixels: Pixels | None) -> Image.Image:
    """Return a picture of TILE pixels a side; a grey one where the file is gone."""
    if pixels is None:
        return Image.new("RGB", (TILE, TILE), GREY)
    picture = Image.fromarray(for_drawing(pixels))
    return picture.resize((TILE, TILE), Image.Resampling.BICUBIC)


def joined(one: SupportSet, other: SupportSet) -> SupportSet:
    """Return one support with the pictures of both; classes of the same name become one."""
    names = list(dict.fromkeys([*one.class_names, *other.class_names]))
    moved = torch.tensor([names.index(name) for name in other.class_names])
    counts = [
        torch.ones(len(each.labels)) if each.counts is None else each.counts
        for each in (one, other)
    ]
    return replace(
        one,
        class_names=tuple(names),
        embeddings=torch.cat([one.embeddings, other.embeddings]),
        labels=torch.cat([one.labels, moved[other.labels]]),
        paths=(*one.paths, *other.paths),
        counts=torch.cat(counts),
    )
