"""What one visitor of the page has taught it: pictures of classes, choices, a neutral face."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewshot_fer.data.faces.tracking import Track
from fewshot_fer.data.labels import plain_name
from fewshot_fer.evaluation.support import SupportSet, picture_rows, save_support_set
from fewshot_fer.inference.enrol import Enrolment
from fewshot_fer.inference.inputs import Pixels, printable

LONGEST_NAME = 60
MOST_PICTURES = 500  # of a visitor: bounds memory, and the time of an answer


@dataclass(frozen=True)
class Picture:
    """A picture of a taught class.

    embedding [D]: as supports hold it, on the CPU; crop: [3, S, S], None where it was not kept;
    path: no other picture of the visitor has the same.
    """

    name: str
    embedding: Tensor
    crop: Pixels | None
    path: str


@dataclass(frozen=True)
class LiveFace:
    """The largest face of the latest frame.

    number: counts frames with a face; embedding [D]: as the run's embedder gives it; shares:
    probability of each class, smoothed over frames; track: where it is, None where faces are not
    looked for.
    """

    number: int
    crop: Pixels
    embedding: Tensor
    shares: dict[str, float]
    track: Track | None = None


@dataclass
class Visitor:
    """A visitor's taught pictures in order of teaching, and choices.

    only_mine: taught classes are compared among one another alone; may_reject: a face may be none
    of the classes; neutral [D]: embedding of the visitor's neutral face; seen: live
    faces so far; taken: number of the one that was taught last. Every change sets
    `decider`, which the page keeps between frames, to None.
    """

    pictures: tuple[Picture, ...] = ()
    only_mine: bool = False
    may_reject: bool = False
    neutral: Tensor | None = None
    live: LiveFace | None = None
    seen: int = 0
    taken: int = 0
    decider: Any = field(default=None, repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the taught classes in order of teaching."""
        return tuple(dict.fromkeys(picture.name for picture in self.pictures))

    def of_class(self, name: str) -> list[Picture]:
        """Return the pictures of a class."""
        return [picture for picture in self.pictures if picture.name == name]

    def count(self, name: str) -> int:
        """Return how many pictures a class has."""
        return len(self.of_class(name))

    def add(self, name: str, crop: Pixels | None, embedding: Tensor) -> bool:
        """Add a picture to a class; return whether there was room."""
        if len(self.pictures) >= MOST_PICTURES:
            return False
        taken, number = {picture.path for picture in self.pictures}, 1
        while (path := f"{name}/{number:03}.jpg") in taken:
            number += 1
        self._set((*self.pictures, Picture(name, embedding, crop, path)))
        return True

    def remove(self, path: str) -> None:
        """Remove a picture; a class goes with its last."""
        self._set(tuple(each for each in self.pictures if each.path != path))

    def delete(self, name: str) -> None:
        """Remove a class."""
        self._set(tuple(each for each in self.pictures if each.name != name))

    def rename(self, name: str, new: str) -> None:
        """Rename a class; where there is one of the new name the two become one."""
        self._set(
            tuple(replace(each, name=new) if each.name == name else each for each in self.pictures)
        )

    def choose(self, only_mine: bool, may_reject: bool) -> None:
        """Set what may decide."""
        self.only_mine, self.may_reject, self.decider = only_mine, may_reject, None

    def set_neutral(self, neutral: Tensor | None) -> None:
        """Set the neutral face that predictions are relative to, None for none."""
        self.neutral, self.decider = neutral, None

    def support(self, weights: str) -> SupportSet | None:
        """Return the taught pictures as a support; None without any."""
        if not self.pictures:
            return None
        names = self.class_names
        return SupportSet(
            class_names=names,
            embeddings=torch.stack([each.embedding for each in self.pictures]).float(),
            labels=torch.tensor([names.index(each.name) for each in self.pictures]),
            paths=tuple(each.path for each in self.pictures),
            weights=weights,
        )

    def save(self, path: Path, weights: str) -> None:
        """Write the support to a file that `support=` takes. Raises WriteError."""
        support = self.support(weights)
        assert support is not None
        save_support_set(path, support)

    def load(self, enrolment: Enrolment) -> int:
        """Add the pictures of a support; return how many. Priors are left out."""
        support = enrolment.support
        return sum(
            self.add(
                clean_name(support.class_names[int(support.labels[row])]),
                enrolment.crops.get(support.paths[row]),
                support.embeddings[row].clone(),
            )
            for row in picture_rows(support)
        )

    def crops(self) -> dict[str, Pixels | None]:
        """Return the crop of each path."""
        return {picture.path: picture.crop for picture in self.pictures}

    def _set(self, pictures: tuple[Picture, ...]) -> None:
        self.pictures, self.decider = pictures, None


def clean_name(name: str) -> str:
    """Return a name of a class as the page takes it."""
    return printable(plain_name(name))[:LONGEST_NAME].strip()
