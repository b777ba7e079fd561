"""Find the file of a data set that says which number stands for which class.

Where copies of one data set count its classes in several orders, a number alone says nothing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import child
from fewshot_fer.system.errors import DataError

STEMS = (
    *("classes", "class_names", "labels", "label_names", "emotions", "class_to_idx"),
    *("label_to_idx", "label2idx", "label2id", "label_map", "classInd", "annotation"),
)
FILES = tuple(f"{stem}{ending}" for stem in STEMS for ending in (".txt", ".csv", ".json"))
MAFW_ORDERS = (
    "0 anger 1 disgust 2 fear 3 happiness 4 neutral 5 sadness 6 surprise 7 contempt 8 anxiety "
    "9 helplessness 10 disappointment",
    "0 happiness 1 sadness 2 neutral 3 anger 4 surprise 5 disgust 6 fear 7 contempt 8 anxiety "
    "9 helplessness 10 disappointment",
)
"""Of the public code of MAE-DFER and of DFER-CLIP."""


@dataclass(frozen=True)
class Order:
    """Number -> name, as a file says; names is empty where there is none."""

    names: Mapping[int, str]
    file: Path | None
    looked_in: Path

    def name_of(self, number: str, where: str) -> str:
        """Return the class that a number stands for. Raises DataError where nothing says so."""
        if self.file is None:
            raise DataError(
                f"{where}: the label {number} is a number, and copies count in two orders, "
                f"{' or '.join(MAFW_ORDERS)}: put a file classes.txt with the names in the order "
                f"of yours, a name a line, into {self.looked_in}"
            )
        if int(number) not in self.names:
            raise DataError(f"{where}: {self.file} has no class of the number {number}")
        return self.names[int(number)]


def find_order(lists: Path, root: Path, classes: Sequence[str] | None) -> Order:
    """Return the order that a file in the folder of the lists, or above it up to `root`, says.

    classes: those that it must name, each once; None: any. The first file that has one is taken.
    Raises DataError for a file that says an order with a class that is not known, or twice.
    """
    folder = lists
    while True:
        for file in (found for name in FILES if (found := child(folder, name))):
            if file.is_file() and (names := _names(file)):
                _require_classes(names, classes, file)
                return Order(names, file, lists)
        if folder in (root, folder.parent):
            return Order({}, None, lists)
        folder = folder.parent


def _require_classes(names: Mapping[int, str], classes: Sequence[str] | None, file: Path) -> None:
    found = [canonical(name) for name in names.values()]
    if len({*found}) < len(found) or (classes is not None and sorted(found) != sorted(classes)):
        raise DataError(
            f"{file}: expected each class once, {', '.join(classes or ())}; found "
            f"{', '.join(found)}"
        )


def _names(file: Path) -> dict[int, str]:
    """Return number -> name; nothing for a file of another kind."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = json.loads(text) if file.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError):
        return {}
    if isinstance(content, dict):
        pairs = [(str(key), str(value)) for key, value in content.items()]
        return _numbered(pairs)
    if not isinstance(content, list):
        return {}
    lines = [str(line).strip() for line in content if str(line).strip()]
    words = [re.split(r"[\s,:=]+", line, maxsplit=1) for line in lines]
    if all(len(pair) == 1 for pair in words):
        return dict(enumerate(lines))
    return _numbered([(pair[0], pair[-1]) for pair in words])


def _numbered(pairs: Sequence[tuple[str, str]]) -> dict[int, str]:
    """Return number -> name for pairs of the two in any order, nothing for others."""
    turned = [(b, a) if b.isdecimal() else (a, b) for a, b in pairs]
    if not turned or not all(a.isdecimal() and not b.isdecimal() for a, b in turned):
        return {}
    return {int(a): b for a, b in turned}
