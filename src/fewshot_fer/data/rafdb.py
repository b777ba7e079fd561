"""RAF-DB, basic and compound: the published layout and the re-packs that people have."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer import labels
from fewshot_fer.data.class_folders import find_split_folders, read_split_folders
from fewshot_fer.data.confines import require_inside
from fewshot_fer.data.label_list import NAMES, read_label_list
from fewshot_fer.data.listed_images import find_listed_images
from fewshot_fer.data.listing import child, nothing_found
from fewshot_fer.data.table import make_table

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


BASIC = Subset("rafdb_basic", ("basic", "raf-basic", "raf_basic"), 7, 15_339, labels.basic_of_id)
COMPOUND = Subset(
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
    return _read(data.absolute(), BASIC, official, outside)


def read_rafdb_compound(data: Path, official: bool = True, outside: bool = False) -> pd.DataFrame:
    """Return the FaceTable of the eleven compound classes, as `read_rafdb_basic` does."""
    return _read(data.absolute(), COMPOUND, official, outside)


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
    if subset is BASIC:  # nobody re-packs the compound subset
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
    other = COMPOUND if subset is BASIC else BASIC
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
