"""Read anybody's labelled images that lie in folders of classes, of subjects or of splits."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import LAYOUTS, DatasetConfig
from fewshot_fer.data.adapters.registry import register_adapter
from fewshot_fer.data.labels import canonical, is_expression, plain_name
from fewshot_fer.data.listing import (
    contents,
    folders_in,
    image_names_in,
    images_in,
    left_out_remarks,
    walk_images,
)
from fewshot_fer.data.splits import SPLITS
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

LAYOUT = "<class>/*.jpg or <class>/<subject or clip>/*.jpg below it"
EXPECTED = f"expected {LAYOUT}. Set dataset.root=/your/faces"
CLASS_FIRST, SUBJECT_FIRST, SPLIT_FIRST = LAYOUTS
REPEATED = 1.5  # outer folders that an inner name is in on average, from which on it is no chance
SHOWN = 3  # names that a message lists
BY_DEFAULT = DatasetConfig()
log = logging.getLogger("fewshot_fer")


@register_adapter("folder", LAYOUT, anyones=True)
def read_folder(root: Path, settings: DatasetConfig = BY_DEFAULT) -> pd.DataFrame:
    """Return the FaceTable of a folder; its split is `all` unless there are split folders.

    Which folders are classes follows from their names, or from `dataset.layout`. A group folder
    names a subject or a clip. The same name under two classes or splits is the same group, as a
    person is who shows several expressions. An image right below its class is its own group.
    Raises DataError where there is no class folder or no image, and where it is not clear which
    folders are the classes.
    """
    root = root.absolute()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: {EXPECTED}")
    splits, layout, remarks = _splits(root, settings.layout)
    left_out: Counter[str] = Counter()
    rows = [row for each in splits for row in _rows(*each, layout, left_out)]
    if not rows:
        raise DataError(f"no images in {root} ({contents(root)}): {EXPECTED}")
    remarks += left_out_remarks(left_out, root)
    return make_table([{**row, "dataset": "folder"} for row in rows], remarks=remarks)


def _splits(root: Path, layout: str | None) -> tuple[list[tuple[str, Path]], str, list[str]]:
    """Return split -> folder, which folders below are the classes, and what to say of it."""
    outer = Names.below([root])
    recognised = recognise(outer)
    if SPLIT_FIRST not in (layout, recognised.layout):
        recognised = recognised if layout is None else Recognised(layout)
        return [("all", root)], _certain(recognised, root, outer), recognised.remarks(root)
    splits = [(split_of(folder.name), folder) for folder in folders_in(root)]
    inner = Names.below([folder for _, folder in splits])
    within = recognise(inner) if layout in (None, SPLIT_FIRST) else Recognised(layout)
    if within.layout == SPLIT_FIRST:
        within = Recognised(None)
    remarks = [*recognised.remarks(root), *within.remarks(root)]
    return splits, _certain(within, root, inner), remarks


@dataclass(frozen=True)
class Recognised:
    """Which folders are the classes. layout: None where the names do not tell; said: in words
    what was recognised, where it is another layout than folders of classes."""

    layout: str | None
    said: str = ""

    def remarks(self, root: Path) -> list[str]:
        """Return what to say of it, nothing where folders are simply classes."""
        return [f"{root}: {self.said} (dataset.layout={self.layout})"] if self.said else []


@dataclass(frozen=True)
class Names:
    """Folders by name, and the names of the folders in them. loose: whether images lie right in
    the outer ones."""

    inner: dict[str, set[str]]
    loose: bool

    @classmethod
    def below(cls, places: Sequence[Path]) -> "Names":
        """Return what lies in some folders, one or several splits of one data set."""
        inner: dict[str, set[str]] = {}
        loose = False
        for outer in (folder for place in places for folder in folders_in(place)):
            inner.setdefault(plain_name(outer.name), set()).update(
                plain_name(each.name) for each in folders_in(outer)
            )
            loose = loose or bool(image_names_in(outer))
        return cls(inner, loose)

    @property
    def distinct(self) -> set[str]:
        """The names of all inner folders."""
        return set().union(*self.inner.values())

    @property
    def repeated(self) -> float:
        """How many outer folders an inner name is in, on average."""
        return sum(map(len, self.inner.values())) / max(1, len(self.distinct))

    def __str__(self) -> str:
        return f"{_some(self.inner)} with {_some(self.distinct)} in them"


def recognise(names: Names) -> Recognised:
    """Return which folders are the classes, from what the names are.

    Names of expressions are classes. Where none is known, inner names that repeat under most outer
    ones are subjects or classes: which, their digits may tell, else nothing does.
    """
    if len(names.inner) > 1 and all(name.casefold() in SPLITS for name in names.inner):
        return Recognised(SPLIT_FIRST)
    are_splits = bool(names.inner) and all(map(_is_split, names.inner))
    if not names.distinct:
        return Recognised(None if are_splits and len(names.inner) > 1 else CLASS_FIRST)
    outer, inner = _share_known(names.inner), _share_known(names.distinct)
    if outer and not inner:
        return Recognised(CLASS_FIRST)
    known_inside = inner >= 0.5 > outer
    repeats = names.repeated >= REPEATED or len(names.inner) == 1
    if are_splits and not names.loose and (known_inside or repeats):
        return Recognised(SPLIT_FIRST, f"{_some(names.inner)} are read as splits")
    if known_inside:
        if names.loose or any(map(_is_split, names.inner)) or len(names.inner) == 1:
            return Recognised(None)
        said = f"{_some(names.inner)} are read as subjects, {_some(names.distinct)} as classes"
        return Recognised(SUBJECT_FIRST, said)
    if outer >= 0.5 and inner >= 0.5:
        return Recognised(None)
    return Recognised(CLASS_FIRST if names.loose or _unknown_classes_first(names) else None)


def require_classes_first(folder: Path, what: str) -> None:
    """Raise DataError where the folders right in one are splits or subjects, and no classes."""
    names = Names.below([folder])
    layout = recognise(names).layout
    if layout in (SUBJECT_FIRST, SPLIT_FIRST):
        raise DataError(
            f"{what} holds the folders {names}: the classes are the inner ones. Give one of the "
            f"outer folders, or put the pictures of each class together in one"
        )
    if layout is None:
        log.warning(
            "%s holds the folders %s: the outer ones are taken for the classes", what, names
        )


def _unknown_classes_first(names: Names) -> bool:
    """Return whether outer folders whose names are not known are the classes, beyond doubt."""
    if names.repeated < REPEATED:  # clips, which are in one class each
        return True
    outer, inner = (_with_digits(some) for some in (names.inner, names.distinct))
    if outer == 0 and inner == 1:  # bored/01
        return True
    return len(names.distinct) >= len(names.inner) and not (outer == 1 and inner == 0)


def split_of(name: str) -> str:
    """Return the split that a folder's name stands for, such as Train_set or 1_train; else the
    name itself, as of fold1."""
    found = {SPLITS[word] for word in _words(name) if word in SPLITS}
    if len(found) == 1:
        return found.pop()
    return "val" if "eval" in _words(name) else plain_name(name)


def _is_split(name: str) -> bool:
    return split_of(name) in SPLITS.values() or not {"fold", "split"}.isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    return [word.removesuffix("data").removesuffix("set") for word in words]


def _share_known(names: Sequence[str] | set[str] | dict[str, set[str]]) -> float:
    return sum(map(is_expression, names)) / max(1, len(names))


def _with_digits(names: Sequence[str] | set[str] | dict[str, set[str]]) -> float:
    return sum(any(c.isdigit() for c in name) for name in names) / max(1, len(names))


def _some(names: set[str] | dict[str, set[str]]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "")


def _certain(recognised: Recognised, root: Path, names: Names) -> str:
    """Return the layout. Raises DataError, with the words to type, where it is not certain."""
    if recognised.layout is not None:
        return recognised.layout
    raise DataError(
        f"{root} holds the folders {names}: which ones are the classes? Type dataset.layout= (also "
        f"eval., test.) {CLASS_FIRST} if the outer ones are, {SUBJECT_FIRST} if they are subjects "
        f"with classes in them, {SPLIT_FIRST} if they are splits; or give dataset.root= one of them"
    )


def _rows(split: str, folder: Path, layout: str, left_out: Counter[str]) -> Iterator[Row]:
    for outer in folders_in(folder):
        within = folders_in(outer)
        for place in (outer, *within):
            of_class, group = (place, outer) if layout == SUBJECT_FIRST else (outer, place)
            row: Row = {"label": canonical(of_class.name), "spelling": of_class.name}
            row |= {"split": split, "group": None if place is outer else group.name}
            # A link may lead to a folder above: it is followed, those below it are not.
            deep = place is not outer and not place.is_symlink()
            images = (walk_images if deep else images_in)(place, left_out=left_out)
            if place is outer and layout == SUBJECT_FIRST:
                if images:
                    log.warning("%d images right in %s have no class: left out", len(images), place)
                continue
            yield from ({**row, "path": str(path)} for path in images)
            if not images and (place is not outer or not within):
                log.warning("no images in %s (%s)", place, contents(place))
