"""Any labelled folder: root/<class>/[<group>/]*.jpg, or such folders below train/, val/, test/."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.data.listing import contents, folders_in, images_in
from fewshot_fer.data.table import make_table
from fewshot_fer.errors import DataError
from fewshot_fer.labels import canonical

SPLITS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
Row = dict[str, object]


def read_folder(root: Path, name: str = "folder") -> pd.DataFrame:
    """Return the FaceTable of a folder; its split is `all` unless there are split folders.

    A group folder names a subject or a clip. The same name under two classes is the same group, as
    a person is who shows several expressions. An image right below its class is its own group.
    Raises DataError where there is no class folder or no image.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: expected <class>/*.jpg below it")
    below = folders_in(root)
    if len(below) > 1 and all(path.name.casefold() in SPLITS for path in below):
        splits = [(SPLITS[path.name.casefold()], path) for path in below]
    else:
        splits = [("all", root)]
    rows = [row for split, folder in splits for row in _rows(folder, split)]
    if not rows:
        raise DataError(f"no images in {root} ({contents(root)}): expected <class>/*.jpg below it")
    return make_table([{**row, "dataset": name} for row in rows])


def _rows(folder: Path, split: str) -> Iterator[Row]:
    for of_class in folders_in(folder):
        common: Row = {"label": canonical(of_class.name), "split": split}
        for path in images_in(of_class):
            yield {**common, "path": str(path)}
        for group in folders_in(of_class):
            for path in images_in(group):
                yield {**common, "path": str(path), "group": f"{split}/{group.name}"}
