"""Folders by split and class: how copies of RAF-DB, and most people's own data, are laid out."""

from collections.abc import Callable
from pathlib import Path

from fewshot_fer.data.listing import child, folders_in, images_in
from fewshot_fer.errors import DataError
from fewshot_fer.labels import canonical

TRAIN = ("train", "train_set")
HELD_OUT = ("test", "test_set", "valid", "val", "val_set", "validation")


def find_split_folders(folder: Path) -> dict[str, Path] | None:
    """Return split -> folder where train and a held-out folder lie beside each other, else None.

    RAF-DB has two splits, so whatever stands beside train is its test split.
    """
    train, held_out = child(folder, *TRAIN), child(folder, *HELD_OUT)
    return {"train": train, "test": held_out} if train and held_out else None


def read_split_folders(
    splits: dict[str, Path], class_of_id: Callable[[int], str]
) -> list[dict[str, object]]:
    """Return rows for `<split>/<class>/*.jpg`, class being an official id or a name.

    Raises DataError where a split has no class folder, or a class no image.
    """
    rows: list[dict[str, object]] = []
    for split, folder in splits.items():
        classes = folders_in(folder)
        if not classes:
            raise DataError(f"no class folders in {folder}: expected 1..7, or names of expressions")
        for of_class in classes:
            name = of_class.name
            label = class_of_id(int(name)) if name.isdecimal() else canonical(name)
            images = images_in(of_class)
            if not images:
                raise DataError(f"no image in {of_class}")
            rows += [{"path": str(path), "label": label, "split": split} for path in images]
    return rows
