"""Read any labelled folder: root/<class>/[<group>/]*.jpg, or such folders below train/, test/."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.registry import register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import contents, folders_in, images_in
from fewshot_fer.data.table import SPLITS, make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

LAYOUT = "<class>/*.jpg or <class>/<subject or clip>/*.jpg below it"
EXPECTED = f"expected {LAYOUT}. Set dataset.root=/your/faces"
log = logging.getLogger("fewshot_fer")


@register_adapter("folder", LAYOUT)
def read_folder(root: Path) -> pd.DataFrame:
    """Return the FaceTable of a folder; its split is `all` unless there are split folders.

    A group folder names a subject or a clip. The same name under two classes or splits is the same
    group, as a person is who shows several expressions. An image right below its class is its own
    group. Raises DataError where there is no class folder or no image.
    """
    root = root.absolute()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: {EXPECTED}")
    rows = [row for split, folder in _splits(root) for row in _rows(folder, split)]
    if not rows:
        raise DataError(f"no images in {root} ({contents(root)}): {EXPECTED}")
    return make_table([{**row, "dataset": "folder"} for row in rows])


def _splits(root: Path) -> list[tuple[str, Path]]:
    below = folders_in(root)
    if len(below) > 1 and all(path.name.casefold() in SPLITS for path in below):
        return [(SPLITS[path.name.casefold()], path) for path in below]
    return [("all", root)]


def _rows(folder: Path, split: str) -> Iterator[Row]:
    for of_class in folders_in(folder):
        common: Row = {"label": canonical(of_class.name), "split": split}
        images, groups = images_in(of_class), folders_in(of_class)
        for path in images:
            yield {**common, "path": str(path)}
        for group in groups:
            for path in _images_of(group):
                yield {**common, "path": str(path), "group": group.name}
        if not images and not groups:
            log.warning("no images in %s (%s)", of_class, contents(of_class))


def _images_of(group: Path) -> list[Path]:
    images = images_in(group)
    if not images:
        log.warning("no images in %s (%s)", group, contents(group))
    return images
