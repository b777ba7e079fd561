"""Make a support of other classes than those of training, from a folder of labelled faces."""

import filecmp
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from fewshot_fer.config.quoting import pasteable
from fewshot_fer.data.adapters.folder import require_classes_first
from fewshot_fer.data.labels import canonical, plain_name
from fewshot_fer.data.listing import as_on_disk, contents, folders_in, left_out_remarks, walk_images
from fewshot_fer.evaluation.support import SupportSet, load_support_set, with_priors
from fewshot_fer.inference.classifier import NONE
from fewshot_fer.inference.crops import OK, UNREADABLE, Crop, Cropper
from fewshot_fer.inference.inputs import Pixels, SourceImage, printable
from fewshot_fer.runs.load import LoadedRun
from fewshot_fer.system.errors import DataError, NoFaceError, RunError

SEVERAL = "several faces, the largest is taken"
EXPECTED = "expected <class>/ folders with a few pictures of each class"
ClassFiles = dict[str, list[Path]]
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Enrolment:
    """A support, and the crops that it was made from where they are at hand: path -> [3, S, S].

    reasons: path -> what makes its face hard to read, or why it is left out; left_out: path ->
    class of a picture without a face.
    """

    support: SupportSet
    crops: dict[str, Pixels]
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def resolve_support(
    given: str | None, run: LoadedRun, cropper: Cropper, allow_one_class: bool = False
) -> Enrolment:
    """Return the run's own support for None, else what `given` names: a stored support or a folder
    of classes; with the priors of a run whose method has such.

    allow_one_class: as in `list_classes`. Raises DataError where `given` is neither.
    """
    if given is None:
        return Enrolment(run.support, {})
    path = as_on_disk(Path(given).expanduser())
    if path.is_dir():
        enrolment = enrol(list_classes(path, allow_one_class), run, cropper)
    elif path.is_file():
        enrolment = Enrolment(read_support(path, run), {})
    else:
        raise DataError(
            f"support={path} is neither a folder of <class>/ pictures nor a file that enrol= wrote"
        )
    return replace(enrolment, support=with_run_priors(enrolment.support, run))


def read_support(path: Path, run: LoadedRun) -> SupportSet:
    """Return a stored support. Raises RunError if its embeddings were made with other weights."""
    support = load_support_set(path)
    if support.weights != run.weights:
        raise RunError(
            f"support={path} was stored with the weights of another run or checkpoint than "
            f"{run.folder}: its embeddings cannot be compared. Enrol the pictures again with "
            f"support=folder {pasteable('enrol', path)}"
        )
    return support


def with_run_priors(support: SupportSet, run: LoadedRun) -> SupportSet:
    """Return a support with the priors of its classes made anew, if the run's method has such."""
    priors = run.method.priors
    return support if priors is None else with_priors(support, priors)


def list_classes(folder: Path, allow_one_class: bool = False) -> ClassFiles:
    """Return class name -> pictures for a folder of <class>/ folders; names stay as they are, but
    for the form of their letters.

    Pictures may lie in folders below their class. allow_one_class: a single class is enough, as it
    is where others are known by their names. Raises DataError naming the folder that cannot be
    taken.
    """
    classes = folders_in(folder)
    if not classes:
        raise DataError(f"support={folder}: {EXPECTED}; found {contents(folder)}")
    require_classes_first(folder, f"support={folder}")
    if len(classes) == 1 and not allow_one_class:
        raise DataError(
            f"support={folder} has one class only, {classes[0].name}: every face would be that. "
            f"Add a second class"
        )
    _check_names(folder, [of_class.name for of_class in classes])
    left_out: Counter[str] = Counter()
    pictures: ClassFiles = {}
    for of_class in classes:
        files = walk_images(of_class, left_out=left_out)
        if not files:
            raise DataError(f"support={folder}: no picture in {of_class} ({contents(of_class)})")
        pictures[plain_name(of_class.name)] = files
    for remark in left_out_remarks(left_out, folder):
        log.info("%s", remark)
    return pictures


def enrol(classes: ClassFiles, run: LoadedRun, cropper: Cropper) -> Enrolment:
    """Embed the pictures of each class. The largest face of a picture is taken.

    Pictures without a face are left out with a warning. Raises DataError where a picture cannot be
    read, and NoFaceError where none of a class has a face.
    """
    names = tuple(classes)
    files = [file for of_class in classes.values() for file in of_class]
    labels = [names.index(name) for name, of_class in classes.items() for _ in of_class]
    crops = largest_faces(files, cropper, "the support")
    kept = [row for row, crop in enumerate(crops) if crop.status == OK]
    for crop in crops:
        if crop.status != OK:
            log.warning("no face found in %s: left out of the support", crop.source.file)
    if several := [crop.source.name for crop in crops if crop.reason.endswith(SEVERAL)]:
        log.warning("several faces in a picture of the support: %s", ", ".join(several))
    _check_counts(
        classes, np.bincount([labels[row] for row in kept], minlength=len(names)).tolist()
    )
    pixels = [crop.pixels for crop in crops if crop.pixels is not None]
    support = SupportSet(
        class_names=names,
        embeddings=run.embedder.embed_pixels(np.stack(pixels)).float().cpu(),
        labels=torch.tensor([labels[row] for row in kept], dtype=torch.int64),
        paths=tuple(str(files[row].absolute()) for row in kept),
        weights=run.weights,
    )
    places = [str(file.absolute()) for file in files]
    reasons = {path: crop.reason for path, crop in zip(places, crops, strict=True) if crop.reason}
    left_out = {
        places[row]: names[labels[row]] for row, crop in enumerate(crops) if crop.status != OK
    }
    return Enrolment(support, dict(zip(support.paths, pixels, strict=True)), reasons, left_out)


def warn_of_support_pictures(pictures: Sequence[Path], support: SupportSet) -> None:
    """Warn of pictures that are in the support themselves, by name or byte for byte."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in filter(os.path.isfile, dict.fromkeys(support.paths)):
        by_size[Path(path).stat().st_size].append(path)
    found = [
        picture
        for picture in filter(os.path.isfile, pictures)
        if any(_are_equal(picture, path) for path in by_size[picture.stat().st_size])
    ]
    if found:
        log.warning(
            "%d of %d pictures are in the support themselves, %s first: their predictions say "
            "nothing of new faces",
            *(len(found), len(pictures), found[0]),
        )


def join_supports(one: SupportSet, other: SupportSet) -> SupportSet:
    """Return one support with the pictures of both; classes of the same name become one."""
    names = list(one.class_names)
    places = {plain_name(name): place for place, name in enumerate(names)}
    for name in other.class_names:
        if places.setdefault(plain_name(name), len(names)) == len(names):
            names.append(name)
    moved = torch.tensor([places[plain_name(name)] for name in other.class_names])
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


def _check_names(folder: Path, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        same = seen.setdefault(plain_name(name).casefold(), name)
        if same != name:
            raise DataError(
                f"support={folder} has {same} and {name}: one class or two? Rename one or put "
                f"their pictures together"
            )
        if plain_name(name) == NONE:
            raise DataError(f"support={folder}: {NONE} is what reject= answers; rename the folder")
        if printable(name) != name or len(name.splitlines()) > 1:
            raise DataError(f"support={folder}: {name!r} is no name of a class; rename the folder")
    meant: dict[str, str] = {}
    for name in names:
        first = meant.setdefault(canonical(name), name)
        if first != name:
            said = "support: %s and %s both mean %s: two classes here"
            log.warning(said, first, name, canonical(name))


def largest_faces(files: list[Path], cropper: Cropper, of: str) -> list[Crop]:
    """Return one crop a file, without the photograph that it is from; its reason says where there
    were several. Raises DataError, which names what the files are of, for one that cannot be read.
    """
    largest: list[Crop] = []
    for block in cropper.pictures(files):
        for crop in block:
            if crop.status == UNREADABLE:
                raise DataError(f"a picture of {of} cannot be used: {crop.reason}")
            if not crop.face:  # 0, or None where there is no face
                largest.append(replace(crop, source=SourceImage(crop.source.file)))
            elif crop.face == 1:
                reason = "; ".join(filter(None, (largest[-1].reason, SEVERAL)))
                largest[-1] = replace(largest[-1], reason=reason)
    return largest


def _are_equal(one: Path, other: str) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:  # it is said where it is read
        return False


def _check_counts(classes: ClassFiles, counts: list[int]) -> None:
    """Refuse classes without a face; warn of those with one."""
    for (name, files), count in zip(classes.items(), counts, strict=True):
        if count == 0:
            raise NoFaceError(
                f"no face found in any picture of the support's class {name} "
                f"({files[0].parent}): take other pictures, or give align_support=false "
                f"if they are crops of faces already"
            )
    if lone := [name for name, count in zip(classes, counts, strict=True) if count == 1]:
        log.warning("one picture only in the support, so all hangs on it: %s", ", ".join(lone))
