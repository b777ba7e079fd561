"""RAF-DB, basic and compound: the published layout and the re-packs that people have.

RAF-DB as people re-pack it: folders by split and class, without a label list.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer.data import labels
from fewshot_fer.data.adapters.label_list import NAMES, find_listed_images, read_label_list
from fewshot_fer.data.confines import require_inside
from fewshot_fer.data.labels import BASIC, basic_of_id, canonical
from fewshot_fer.data.listing import child, contents, folders_in, images_in, nothing_found
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError

TRAIN = ("train", "train_set")
TEST = ("test", "test_set")
VALIDATION = ("valid", "val", "val_set", "validation")


def find_split_folders(folder: Path) -> dict[str, Path] | None:
    """Return split -> folder where `train` and a held-out folder of images lie, else None.

    RAF-DB has two splits, so what stands beside train is its test split, even if it is called
    valid. Only where there is a test folder as well does valid become the split val.
    """
    train, test, validation = (child(folder, *names) for names in (TRAIN, TEST, VALIDATION))
    held_out = test or validation
    if not train or not held_out or not _holds_classes(train):
        return None
    both = {"val": validation} if test and validation else {}
    return {"train": train, **both, "test": held_out}


def _holds_classes(folder: Path) -> bool:
    """Tell folders of images from folders of clips, which AFEW keeps below `Train`."""
    return folder.is_dir() and any(images_in(of_class) for of_class in folders_in(folder))


def read_split_folders(splits: dict[str, Path]) -> list[dict[str, object]]:
    """Return rows for `<split>/<class>/*.jpg`, class being an official id 1..7 or a name.

    Raises DataError where a split has no class folder, a class no image or an unknown name.
    """
    rows: list[dict[str, object]] = []
    for split, folder in splits.items():
        classes = folders_in(folder)
        if not classes:
            raise DataError(
                f"no class folders in {folder} ({contents(folder)}): expected 1..7, or names of "
                f"expressions"
            )
        for of_class in classes:
            label, images = _label(of_class), images_in(of_class)
            if not images:
                raise DataError(
                    f"no image in {of_class} ({contents(of_class)}): expected *_aligned.jpg"
                )
            rows += [{"path": str(path), "label": label, "split": split} for path in images]
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


log = logging.getLogger("fewshot_fer")
ROOTS = ("RAF-DB", "RAFDB", "RAF_DB", "RAF", "rafdb-basic", "DATASET")


@dataclass(frozen=True)
class Subset:
    """One of RAF-DB's two subsets; total: its official number of images."""

    name: str
    folders: tuple[str, ...]
    n_classes: int
    total: int
    class_of_id: Callable[[int], str]

    @property
    def expected(self) -> str:
        """The files that show where the subset lies, for messages."""
        folder = f"RAF-DB/{self.folders[0]}"
        return f"{folder}/EmoLabel/{NAMES[0]} and {folder}/Image/aligned/train_00001_aligned.jpg"


BASIC_SUBSET = Subset(
    "rafdb_basic", ("basic", "raf-basic", "raf_basic"), 7, 15_339, labels.basic_of_id
)
COMPOUND_SUBSET = Subset(
    "rafdb_compound",
    ("compound", "raf-compound", "raf_compound"),
    11,
    3_954,
    labels.compound_of_id,
)


def read_rafdb_basic(data: Path, official: bool = True, outside: bool = False) -> pd.DataFrame:
    """Return the FaceTable of the seven basic classes, splits train and test.

    data: the folder that holds RAF-DB, RAF-DB itself, or its subset folder. A count that differs
    from the official one is a warning, unless `official` is False. Raises DataError where the files
    are not found or a label line is wrong, and unless `outside`, where a link below the folder that
    was found leads out of it.
    """
    return _read(data.absolute(), BASIC_SUBSET, official, outside)


def read_rafdb_compound(data: Path, official: bool = True, outside: bool = False) -> pd.DataFrame:
    """Return the FaceTable of the eleven compound classes, as `read_rafdb_basic` does."""
    return _read(data.absolute(), COMPOUND_SUBSET, official, outside)


def _read(data: Path, subset: Subset, official: bool, outside: bool) -> pd.DataFrame:
    rows = _rows(data, subset, outside)
    table = make_table([{**row, "dataset": subset.name} for row in rows])
    if official and len(table) != subset.total:
        log.warning(
            "%s: %d images under %s, officially %d", subset.name, len(table), data, subset.total
        )
    return table


def _rows(data: Path, subset: Subset, outside: bool) -> list[dict[str, object]]:
    for folder in _candidates(data, subset):
        labels_folder = child(folder, "EmoLabel")
        listed = labels_folder and child(labels_folder, *NAMES)
        if listed:
            require_inside([str(listed)], folder, outside)
            rows = _listed_rows(folder, listed, subset)
            require_inside((str(row["path"]) for row in rows), folder, outside)
            return rows
    if subset is BASIC_SUBSET:  # nobody re-packs the compound subset
        for folder in _candidates(data, subset):
            for root in (folder, child(folder, "DATASET")):
                if root and (splits := find_split_folders(root)):
                    rows = read_split_folders(splits)
                    require_inside((str(row["path"]) for row in rows), root, outside)
                    return rows
    raise nothing_found(subset.name, data, subset.expected, _nearest(data, subset))


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


def _listed_rows(folder: Path, listed: Path, subset: Subset) -> list[dict[str, object]]:
    lines = read_label_list(listed, subset.n_classes)
    return [
        {"path": path, "label": subset.class_of_id(line.class_id), "split": line.split}
        for line, path in zip(lines, find_listed_images(folder, lines), strict=True)
    ]
