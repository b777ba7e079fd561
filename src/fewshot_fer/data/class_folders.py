"""RAF-DB as people re-pack it: folders by split and class, without a label list."""

from pathlib import Path

from fewshot_fer.data.listing import child, contents, folders_in, images_in
from fewshot_fer.errors import DataError
from fewshot_fer.labels import BASIC, basic_of_id, canonical

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
