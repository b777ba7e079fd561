"""Read RAF-DB, basic and compound: as published, with a label list, and as people re-pack it.

Re-packed, which the compound subset never is, it lies in folders by split and class.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer.data import labels
from fewshot_fer.data.adapters.label_list import NAMES, find_listed_images, read_label_list
from fewshot_fer.data.adapters.registry import find_adapter, register_adapter
from fewshot_fer.data.labels import BASIC, basic_of_id, canonical
from fewshot_fer.data.listing import child, contents, folders_in, images_in, left_out_remarks
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("RAF-DB", "RAFDB", "RAF_DB", "RAF", "rafdb-basic", "DATASET")
"""Folders below paths.data that hold the subsets."""
TRAIN = ("train", "train_set")
TEST = ("test", "test_set")
VALIDATION = ("valid", "val", "val_set", "validation")
PICTURES = r"/(train|test)_[0-9]+"
LAYOUT = "RAF-DB/{0}/EmoLabel/{1} and RAF-DB/{0}/Image/aligned/train_00001_aligned.jpg"


@dataclass(frozen=True)
class Subset:
    """One of RAF-DB's two subsets, and the names that its folder may have."""

    name: str
    folders: tuple[str, ...]
    n_classes: int
    class_of_id: Callable[[int], str]


BASIC_SUBSET = Subset("rafdb_basic", ("basic", "raf-basic", "raf_basic"), 7, labels.basic_of_id)
COMPOUND_SUBSET = Subset(
    "rafdb_compound", ("compound", "raf-compound", "raf_compound"), 11, labels.compound_of_id
)


@register_adapter(
    "rafdb_basic",
    LAYOUT.format("basic", NAMES[0]),
    counts=labels.RAFDB_BASIC_COUNTS,
    pictures=PICTURES,
    size=(100, 100),
)
def read_rafdb_basic(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the seven basic classes, splits train and test.

    data: the folder that holds RAF-DB, RAF-DB itself, or its subset folder. Raises DataError where
    the files are not found or a label line is wrong.
    """
    return _read(data.absolute(), BASIC_SUBSET)


@register_adapter(
    "rafdb_compound",
    LAYOUT.format("compound", NAMES[0]),
    counts={"all": labels.RAFDB_COMPOUND_COUNTS},
    pictures=PICTURES,
    size=(100, 100),
)
def read_rafdb_compound(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the eleven compound classes, as `read_rafdb_basic` does."""
    return _read(data.absolute(), COMPOUND_SUBSET)


def _read(data: Path, subset: Subset) -> pd.DataFrame:
    left_out: Counter[str] = Counter()
    rows = [{**row, "dataset": subset.name} for row in _rows(data, subset, left_out)]
    return make_table(rows, remarks=left_out_remarks(left_out, data))


def _rows(data: Path, subset: Subset, left_out: Counter[str]) -> list[Row]:
    for folder in _candidates(data, subset):
        labels_folder = child(folder, "EmoLabel")
        if listed := labels_folder and child(labels_folder, *NAMES):
            lines = read_label_list(listed, subset.n_classes)
            paths = find_listed_images(folder, lines)
            return [
                {"path": path, "label": subset.class_of_id(line.class_id), "split": line.split}
                for line, path in zip(lines, paths, strict=True)
            ]
    if subset is BASIC_SUBSET:
        for folder in _candidates(data, subset):
            for root in (folder, child(folder, "DATASET")):
                if root and (splits := _split_folders(root)):
                    return _split_rows(splits, left_out)
    raise find_adapter(subset.name).not_found(data, _nearest(data, subset))


def _roots(data: Path) -> list[Path]:
    return [root for name in ROOTS if (root := child(data, name))]


def _candidates(data: Path, subset: Subset) -> Iterator[Path]:
    """Yield the folders that may be the subset's, the likeliest first."""
    roots = _roots(data)
    for root in (*roots, data):
        for name in subset.folders:
            if folder := child(root, name):
                yield folder
    # A folder called after the other subset is never taken for this one.
    other = COMPOUND_SUBSET if subset is BASIC_SUBSET else BASIC_SUBSET
    for root in (data, *roots):
        if root.name.casefold() not in other.folders:
            yield root


def _nearest(data: Path, subset: Subset) -> Path:
    """Return the deepest folder that was recognised on the way to a subset that is not there."""
    subsets = [
        folder for folder in _candidates(data, subset) if folder.name.casefold() in subset.folders
    ]
    return next(iter([*subsets, *_roots(data), data]))


def _split_folders(folder: Path) -> dict[str, Path] | None:
    """Return split -> folder where `train` and a held-out folder of images lie, else None.

    RAF-DB has two splits, so what stands beside train is its test split, even if it is called
    valid. Only where there is a test folder as well does valid become the split val.
    """
    train, test, validation = (child(folder, *names) for names in (TRAIN, TEST, VALIDATION))
    held_out = test or validation
    if not train or not held_out or not train.is_dir():
        return None
    if not any(images_in(of_class) for of_class in folders_in(train)):  # below AFEW's lie clips
        return None
    both = {"val": validation} if test and validation else {}
    return {"train": train, **both, "test": held_out}


def _split_rows(splits: dict[str, Path], left_out: Counter[str]) -> list[Row]:
    """Return rows for `<split>/<class>/*.jpg`, class being an official id 1..7 or a name.

    Raises DataError where a split has no class folder, a class no image or an unknown name.
    """
    rows: list[Row] = []
    for split, folder in splits.items():
        classes = folders_in(folder)
        if not classes:
            raise DataError(
                f"no class folders in {folder} ({contents(folder)}): expected 1..7, or names of "
                f"expressions"
            )
        for of_class in classes:
            label, images = _label(of_class), images_in(of_class, left_out=left_out)
            if not images:
                raise DataError(
                    f"no image in {of_class} ({contents(of_class)}): expected *_aligned.jpg"
                )
            spelling = label if of_class.name.isdecimal() else of_class.name
            common = {"label": label, "split": split, "spelling": spelling}
            rows += [{**common, "path": str(path)} for path in images]
    return rows


def _label(folder: Path) -> str:
    # Ids are looked up, never counted off the sorted folders: their order is not that of the names.
    name = folder.name
    if name.isdecimal() and 1 <= int(name) <= len(BASIC):
        return basic_of_id(int(name))
    label = canonical(name)
    if label not in BASIC:
        raise DataError(
            f"{folder} is not a class of RAF-DB basic: expected an official id 1..{len(BASIC)} or "
            f"one of {', '.join(BASIC)}"
        )
    return label
