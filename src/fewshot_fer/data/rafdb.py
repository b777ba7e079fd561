"""RAF-DB, basic and compound: the published layout and the re-packs that people have."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer import labels
from fewshot_fer.data.class_folders import find_split_folders, read_split_folders
from fewshot_fer.data.label_list import NAMES, LabelLine, read_label_list
from fewshot_fer.data.listing import child, contents, images_in, nothing_found
from fewshot_fer.data.table import make_table
from fewshot_fer.errors import DataError

log = logging.getLogger("fewshot_fer")

ROOTS = ("RAF-DB", "RAFDB", "RAF_DB", "RAF", "rafdb-basic", "DATASET")


@dataclass(frozen=True)
class Subset:
    """One of RAF-DB's two subsets."""

    name: str
    folders: tuple[str, ...]
    n_classes: int
    total: int
    class_of_id: Callable[[int], str]


BASIC = Subset("rafdb_basic", ("basic", "raf-basic", "raf_basic"), 7, 15_339, labels.basic_of_id)
COMPOUND = Subset(
    "rafdb_compound",
    ("compound", "raf-compound", "raf_compound"),
    11,
    3_954,
    labels.compound_of_id,
)


def read_rafdb_basic(data: Path, official: bool = True) -> pd.DataFrame:
    """Return the FaceTable of the seven basic classes, splits train and test.

    data: the folder that holds RAF-DB, RAF-DB itself, or its subset folder. A count that differs
    from the official one is a warning, unless `official` is False. Raises DataError where the files
    are not found or a label line is wrong.
    """
    return _read(data, BASIC, official)


def read_rafdb_compound(data: Path, official: bool = True) -> pd.DataFrame:
    """Return the FaceTable of the eleven compound classes, as `read_rafdb_basic` does."""
    return _read(data, COMPOUND, official)


def _read(data: Path, subset: Subset, official: bool) -> pd.DataFrame:
    rows = _rows(data, subset)
    table = make_table([{**row, "dataset": subset.name} for row in rows])
    if official and len(table) != subset.total:
        log.warning(
            "%s: %d images under %s, officially %d", subset.name, len(table), data, subset.total
        )
    return table


def _rows(data: Path, subset: Subset) -> list[dict[str, object]]:
    for folder in _candidates(data, subset):
        labels_folder = child(folder, "EmoLabel")
        listed = labels_folder and child(labels_folder, *NAMES)
        if listed:
            return _listed_rows(folder, listed, subset)
    for folder in (*_candidates(data, subset), *_repacks(data)):
        splits = find_split_folders(folder)
        if splits and subset is BASIC:
            return read_split_folders(splits, subset.class_of_id)
    raise nothing_found(
        subset.name,
        data,
        f"RAF-DB/{subset.folders[0]}/EmoLabel/{NAMES[0]} and "
        f"RAF-DB/{subset.folders[0]}/Image/aligned/train_00001_aligned.jpg",
    )


def _candidates(data: Path, subset: Subset) -> Iterator[Path]:
    """Yield the folders that may be the subset's, the likeliest first."""
    roots = [root for name in ROOTS if (root := child(data, name))]
    for root in (*roots, data):
        for name in subset.folders:
            if folder := child(root, name):
                yield folder
    # A folder called after the other subset is never taken for this one.
    other = COMPOUND if subset is BASIC else BASIC
    for root in (data, *roots):
        if root.name.casefold() not in other.folders:
            yield root


def _repacks(data: Path) -> Iterator[Path]:
    for root in (data, *(root for name in ROOTS if (root := child(data, name)))):
        if folder := child(root, "DATASET"):
            yield folder


def _listed_rows(folder: Path, listed: Path, subset: Subset) -> list[dict[str, object]]:
    images, aligned = _image_folder(folder, subset)
    on_disk = {path.name.casefold(): path for path in images_in(images)}
    lines = read_label_list(listed, subset.n_classes)
    found = [_find(line, on_disk, aligned) for line in lines]
    absent = [line.name for line, path in zip(lines, found, strict=True) if path is None]
    if absent:
        raise DataError(
            f"{len(absent)} of the {len(lines)} images in {listed} are missing from {images}, "
            f"the first is {absent[0]}{'_aligned' if aligned else ''}.jpg; found there: "
            f"{contents(images)}"
        )
    return [
        {"path": str(path), "label": subset.class_of_id(line.class_id), "split": line.split}
        for line, path in zip(lines, found, strict=True)
    ]


def _image_folder(folder: Path, subset: Subset) -> tuple[Path, bool]:
    """Return the folder of the images and whether they are the aligned ones."""
    images = child(folder, "Image", "Images")
    aligned = images and child(images, "aligned")
    if aligned:
        return child(aligned, "aligned") or aligned, True  # some archives unpack one level too deep
    original = images and child(images, "original")
    if original:
        log.warning(
            "%s: no Image/aligned in %s, the original pictures are used", subset.name, folder
        )
        return child(original, "original") or original, False
    raise DataError(
        f"no images of {subset.name} in {folder} ({contents(folder)}): expected "
        f"Image/aligned/train_00001_aligned.jpg"
    )


def _find(line: LabelLine, on_disk: dict[str, Path], aligned: bool) -> Path | None:
    name = line.name.casefold() + ("_aligned" if aligned else "")
    return next(
        (on_disk[f"{name}{e}"] for e in (".jpg", ".jpeg", ".png") if f"{name}{e}" in on_disk), None
    )
