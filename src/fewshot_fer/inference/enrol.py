"""Other classes than those of training: from a folder of labelled faces to a support."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fewshot_fer.data.listing import contents, folders_in, images_in
from fewshot_fer.evaluation.support import SupportSet, load_support_set, with_priors
from fewshot_fer.inference.classifier import NONE
from fewshot_fer.inference.crops import OK, UNREADABLE, Crop, Cropping, embed_crops
from fewshot_fer.inference.inputs import Pixels, Shot, printable
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.system.errors import DataError, RunError

EXPECTED = "expected <class>/ folders with a few pictures of each class"
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Enrolled:
    """A support, and the crops that it was made from where they are at hand: path -> [3, S, S]."""

    support: SupportSet
    crops: dict[str, Pixels]


def read_support(path: Path, run: LoadedRun) -> SupportSet:
    """Return a stored support. Raises RunError if its embeddings were made with other weights."""
    support = load_support_set(path)
    if support.weights != run.weights:
        raise RunError(
            f"support={path} was stored with the weights of another run or checkpoint than "
            f"{run.folder}: its embeddings cannot be compared. Enrol the pictures again with "
            f"support=folder enrol={path}"
        )
    return support


def take_support(
    given: str | None, run: LoadedRun, cropping: Cropping, one_will_do: bool = False
) -> Enrolled:
    """Return the run's own support for None, else what `given` names: a stored support or a folder
    of classes; with the priors of a run that answers with such.

    one_will_do: as in `list_classes`. Raises DataError where `given` is neither.
    """
    if given is None:
        return Enrolled(run.support, {})
    path = Path(given).expanduser()
    if path.is_dir():
        enrolled = enrol(list_classes(path, one_will_do), run, cropping)
    elif path.is_file():
        enrolled = Enrolled(read_support(path, run), {})
    else:
        raise DataError(
            f"support={path} is neither a folder of <class>/ pictures nor a file that enrol= wrote"
        )
    return replace(enrolled, support=with_own_priors(enrolled.support, run))


def with_own_priors(support: SupportSet, run: LoadedRun) -> SupportSet:
    """Return a support with the priors of its classes made anew, if the run answers with such."""
    priors = run.method.priors
    return support if priors is None else with_priors(support, priors)


def list_classes(folder: Path, one_will_do: bool = False) -> dict[str, list[Path]]:
    """Return class name -> pictures for a folder of <class>/ folders; names stay as they are.

    Pictures may lie in folders below their class. one_will_do: a single class is enough, as it is
    where a face may be none of these. Raises DataError naming the folder that cannot be taken.
    """
    classes = folders_in(folder)
    if not classes:
        raise DataError(f"support={folder}: {EXPECTED}; found {contents(folder)}")
    if len(classes) == 1 and not one_will_do:
        raise DataError(
            f"support={folder} has one class only, {classes[0].name}: every face would be that. "
            f"Add a second class, or give reject= so that a face can be none of these"
        )
    _check_names(folder, [of_class.name for of_class in classes])
    pictures = {of_class.name: _pictures(of_class) for of_class in classes}
    for name, files in pictures.items():
        if not files:
            raise DataError(
                f"support={folder}: no picture in {folder / name} ({contents(folder / name)})"
            )
    return pictures


def _check_names(folder: Path, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        same = seen.setdefault(name.casefold(), name)
        if same != name:
            raise DataError(
                f"support={folder} has {same} and {name}: one class or two? Rename one or put "
                f"their pictures together"
            )
        if name == NONE:
            raise DataError(f"support={folder}: {NONE} is what reject= answers; rename the folder")
        if printable(name) != name or len(name.splitlines()) > 1:
            raise DataError(f"support={folder}: {name!r} is no name of a class; rename the folder")


def enrol(classes: dict[str, list[Path]], run: LoadedRun, cropping: Cropping) -> Enrolled:
    """Embed the pictures of each class. The largest face of a picture is taken.

    Pictures without a face are left out with a warning. Raises DataError where a picture cannot be
    read and where none of a class has a face.
    """
    names = tuple(classes)
    files = [file for of_class in classes.values() for file in of_class]
    labels = [names.index(name) for name, of_class in classes.items() for _ in of_class]
    firsts = _largest_faces(files, cropping)
    kept = [row for row, crop in enumerate(firsts) if crop.status == OK]
    _warn_of_lost([crop.shot for crop in firsts if crop.status != OK])
    _check_classes(names, [labels[row] for row in kept], classes)
    pixels = [crop.pixels for row in kept if (crop := firsts[row]).pixels is not None]
    support = SupportSet(
        class_names=names,
        embeddings=embed_crops(run, np.stack(pixels)).float().cpu(),
        labels=torch.tensor([labels[row] for row in kept], dtype=torch.int64),
        paths=tuple(str(files[row].absolute()) for row in kept),
        weights=run.weights,
    )
    return Enrolled(support, dict(zip(support.paths, pixels, strict=True)))


def _largest_faces(files: list[Path], cropping: Cropping) -> list[Crop]:
    """Return one crop a file, without the photograph that it is from."""
    firsts: list[Crop] = []
    for block in cropping.pictures(files):
        for crop in block:
            if crop.status == UNREADABLE:
                raise DataError(f"a picture of the support cannot be used: {crop.reason}")
            if not crop.face:  # 0, or None where there is no face
                firsts.append(replace(crop, shot=Shot(crop.shot.file)))
    return firsts


def _pictures(folder: Path) -> list[Path]:
    below = [child for child in folders_in(folder) if not child.is_symlink()]
    return images_in(folder) + [file for child in below for file in _pictures(child)]


def _warn_of_lost(shots: list[Shot]) -> None:
    for shot in shots:
        log.warning("no face found in %s: left out of the support", shot.file)


def _check_classes(
    names: tuple[str, ...], labels: list[int], classes: dict[str, list[Path]]
) -> None:
    counts = np.bincount(labels, minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count == 0:
            raise DataError(
                f"no face found in any picture of the support's class {name} "
                f"({classes[name][0].parent}): take other pictures, or give align_support=false "
                f"if they are crops of faces already"
            )
    if lone := [name for name, count in zip(names, counts, strict=True) if count == 1]:
        log.warning("one picture only in the support, so all hangs on it: %s", ", ".join(lone))
