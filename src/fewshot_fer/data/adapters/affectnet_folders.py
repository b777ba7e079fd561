"""Read copies of AffectNet in folders <split>/<class>, the classes by name or by number.

Two orders of numbers are in the wild, AffectNet's own and the alphabetical one of copies on Hugging
Face: numbers count only with a file that says which class each is.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fewshot_fer.data.adapters.affectnet_list import CLASSES
from fewshot_fer.data.decode import look_at_header
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import child, contents, folders_in, image_names_in
from fewshot_fer.data.splits import SPLITS
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

SPLIT_FOLDERS = {**SPLITS, "train_set": "train", "val_set": "val"}
WITHOUT = ("none", "uncertain", "no face", "non face", "noface", "nonface")
ORDERS = (
    *("classes.txt", "labels.txt", "class_names.txt", "label_names.txt"),
    *("classes.json", "labels.json", "label_map.json", "class_to_idx.json", "id2label.json"),
)
"""Files beside the splits that name the class of each number."""
OTHERS = re.compile(r"S[0-9]{3}_|fer[0-9]{7}\.", re.IGNORECASE)  # pictures of CK+48 and FER+
SMALL = (48, 48)  # of FER2013, FER+ and CK+48


def class_folder_rows(
    roots: Sequence[Path], left_out: Counter[str]
) -> tuple[list[Row], list[str]] | None:
    """Return a row for each picture and what to say of others, None where no root is AffectNet's.

    Raises DataError for an unknown class, and for numbers whose order is not said.
    """
    found = ((root, splits) for root in roots if root.is_dir() and (splits := _split_folders(root)))
    root, splits = next(found, (None, {}))
    if root is None:
        return None
    numbers: dict[str, str] = {}
    if any(folder.name.isdecimal() for split in splits for folder in folders_in(split)):
        numbers = _order(root, [*splits])
    rows: list[Row] = []
    others = []
    for split_folder, split in splits.items():
        for folder in folders_in(split_folder):
            label = numbers.get(folder.name, canonical(folder.name))
            if label in WITHOUT:
                others.append(folder.name)
                continue
            rows += _class_rows(folder, label, split, left_out)
    names = ", ".join(sorted(set(others)))
    said = [f"{root}: left out, as no expressions: {names}"] if others else []
    if numbers:
        order = ", ".join(f"{number} {name}" for number, name in sorted(numbers.items()))
        said.append(f"{root}: class folders read as {order}")
    return rows, said


def _class_rows(folder: Path, label: str, split: str, left_out: Counter[str]) -> list[Row]:
    if label not in CLASSES:
        raise DataError(f"{folder} is not a class of AffectNet: expected {', '.join(CLASSES)}")
    spelling = label if folder.name.isdecimal() else folder.name
    common = {"label": label, "spelling": spelling, "split": split}
    names = image_names_in(folder, left_out=left_out)
    if not names:
        raise DataError(f"no picture in {folder} ({contents(folder)})")
    return [{"path": f"{folder}/{name}", **common} for name in names]


def _split_folders(root: Path) -> dict[Path, str]:
    """Return folder -> split where these hold AffectNet's classes, else nothing.

    It is known by its name, by contempt among the classes, or by the numbers 0 to 7; 48x48 pixels
    are those of other sets. What stands beside train, in the place of the unreleased test, is val.
    """
    named = {each: SPLIT_FOLDERS.get(each.name.casefold()) for each in folders_in(root)}
    splits = {each: split for each, split in named.items() if split}
    classes = [folder for each in splits for folder in folders_in(each)]
    names = {canonical(folder.name) for folder in classes}
    known = "affectnet" in root.name.casefold() or "contempt" in names or {"0", "7"} <= names
    if not known or not any(name in CLASSES or name.isdecimal() for name in names):
        return {}
    found = ((folder, min(image_names_in(folder), default="")) for folder in classes)
    folder, first = next(((each, name) for each, name in found if name), (root, ""))
    if not first or OTHERS.match(first) or _size(folder / first) == SMALL:
        return {}
    only_test = "val" not in splits.values()
    return {
        each: "val" if split == "test" and only_test else split for each, split in splits.items()
    }


def _size(picture: Path) -> tuple[int, int]:
    try:
        return look_at_header(picture)[:2]
    except Exception:  # Pillow has no one class for what it meets; decoding says what is wrong
        return 0, 0


def _order(root: Path, splits: Sequence[Path]) -> dict[str, str]:
    """Return number -> class as a file beside the splits says, or in one. Raises DataError."""
    file = next((found for each in (root, *splits) if (found := child(each, *ORDERS))), None)
    if file is None:
        own, sorted_names = (
            ", ".join(f"{number} {name}" for number, name in enumerate(names))
            for names in (CLASSES, sorted(CLASSES))
        )
        raise DataError(
            f"the class folders of {splits[0]} are numbers ({contents(splits[0])}), of which two "
            f"orders are in the wild: AffectNet's own ({own}) and the alphabetical one "
            f"({sorted_names}): rename the folders, or put {root}/{ORDERS[0]} there with a name a "
            f"line, that of 0 first"
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
        named = _of_json(text) if file.suffix.lower() == ".json" else _of_lines(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    wrong = [name for name in named.values() if name not in (*CLASSES, *WITHOUT)]
    if wrong or not named:
        raise DataError(
            f"{file} names no order of AffectNet's classes ({', '.join(wrong[:3]) or 'nothing'}): "
            f"expected a name a line, that of 0 first, out of {', '.join(CLASSES)}"
        )
    return named


def _of_json(text: str) -> dict[str, str]:
    """Return number -> class of a list of names, or of a map in either direction."""
    content = json.loads(text)
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        raise ValueError("it is neither a list nor a map")
    pairs = [(str(key), str(value)) for key, value in content.items()]
    turned = [(value, key) if value.isdecimal() else (key, value) for key, value in pairs]
    return {number: canonical(name) for number, name in turned}


def _of_lines(text: str) -> dict[str, str]:
    """Return number -> class of lines such as `anger`, `0 anger`, `0: anger` or `anger,0`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = {}
    for place, line in enumerate(lines):
        words = [word for word in re.split(r"[\s,:;=]+", line) if word]
        number = next((word for word in words if word.isdecimal()), str(place))
        named[number] = canonical(" ".join(word for word in words if not word.isdecimal()))
    return named
