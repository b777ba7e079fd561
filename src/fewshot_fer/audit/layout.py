"""What was recognised on disk: the folder, and how classes and clips lie in it."""

import os
from pathlib import Path

import pandas as pd

from fewshot_fer.audit.overlaps import groups_of
from fewshot_fer.audit.parts import Part
from fewshot_fer.fixed_role import FixedRole
from fewshot_fer.labels import BASIC, basic_of_id, canonical

Row = dict[str, object]


def role_row(part: Part) -> Row:
    """Return what one role consists of, for the table on screen and for check.json."""
    table = part.table
    return {
        "role": part.title,
        "dataset": part.dataset.adapter,
        "split": part.dataset.split,
        "images": len(table),
        "groups": int(groups_of(table).nunique()),
        "classes": int(table["label"].nunique()),
        "asked": _asked(part),
        "layouts": [
            layout(rows, part.dataset.file) for _, rows in table.groupby("dataset", sort=False)
        ],
    }


def _asked(part: Part) -> str:
    if part.role is None:
        return "cannot be drawn"
    if isinstance(part.role, FixedRole):
        return f"every image, {part.role.k_shot} support images a class"
    return str(part.role.shape) if part.role.shape.k_shot else "every image"


def layout(table: pd.DataFrame, file: str | None = None) -> Row:
    """Return where the images of one data set lie and how, with one of them as an example.

    file: the list that names them, if they come from one.
    """
    paths = table["path"].tolist()
    try:
        folder = Path(os.path.commonpath([str(Path(path).parent) for path in paths]))
    except ValueError:  # a list may name several drives
        folder = Path(paths[0]).parent
    return {
        "dataset": str(table["dataset"].iloc[0]),
        "folder": str(folder),
        "images": len(table),
        "splits": {str(k): int(n) for k, n in table["split"].value_counts(sort=False).items()},
        "labels": f"the list {file}" if file else _labels(table),
        "example": str(Path(paths[0]).relative_to(folder)),
    }


def _labels(table: pd.DataFrame) -> str:
    """Tell from the first image where its label and its group come from."""
    first = table.iloc[0]
    folders = [parent.name for parent in Path(first["path"]).parents[:2]]
    named = [_names(folder, first["label"]) for folder in folders]
    if named[0]:
        return "folders of classes"
    if named[-1]:
        return "folders of classes, and of clips or subjects in them"
    return "a list of labels"


def _names(folder: str, label: str) -> bool:
    if canonical(folder) == label:
        return True
    return (
        folder.isdecimal() and 1 <= int(folder) <= len(BASIC) and basic_of_id(int(folder)) == label
    )
