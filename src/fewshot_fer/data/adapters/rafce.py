"""Read RAF-CE: photographs of 14 compound classes, which two lists label and divide."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.label_list import LabelLine, find_listed_images
from fewshot_fer.data.adapters.named_pictures import nested_roots
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.listing import child, contents, folders_in
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("RAF-CE", "RAFCE", "RAF_CE", "RafceDataset")
LABELS, PARTITION = "RAFCE_emolabel.txt", "RAFCE_partition.txt"
CLASSES = (
    *("happily surprised", "happily disgusted", "sadly fearful", "sadly angry"),
    *("sadly surprised", "sadly disgusted", "fearfully angry", "fearfully surprised"),
    *("fearfully disgusted", "angrily surprised", "angrily disgusted", "disgustedly surprised"),
    *("happily fearful", "happily sad"),
)
"""By id from 0: more classes than RAF-DB's compound ones, in another order."""
ASSUMED = {0: "train", 1: "test", 2: "val"}
"""The splits by their ids as one program for RAF-CE has them; another one says otherwise, so they
are looked up by what is published of the test split."""
TEST_COUNTS = {
    "angrily disgusted": 194,
    "sadly disgusted": 178,
    "happily surprised": 126,
    "fearfully surprised": 113,
    "happily sad": 8,
    "fearfully disgusted": 6,
    "happily fearful": 1,
}
LINE = re.compile(r"([^/\\\s]+?)\.(?:jpg|jpeg|png)[ \t]+([0-9]{1,9})", re.IGNORECASE)
SHOWN = 60  # characters of a wrong line that a message repeats
Listed = dict[str, tuple[int, int]]  # name without ending -> number beside it, line from 1
_PERSON = 24_000  # the first person drawn here


def write_rafce(folder: Path, drawn: DrawnSet) -> None:
    """Write pictures of each class, as many for training as for test, and one for validation."""
    splits = [*([0, 1] * drawn.people), 2]
    shown = [(place, split) for place in range(len(CLASSES)) for split in splits]
    faces = [Portrait(CLASSES[place], _PERSON + n) for n, (place, _) in enumerate(shown)]
    (folder / "aligned").mkdir()
    labels, partition = [], []
    for n, ((place, split), (picture,)) in enumerate(zip(shown, drawn.draw(faces), strict=True), 1):
        picture.save(folder / f"aligned/{n:04}_aligned.jpg", quality=95)
        labels.append(f"{n:04}.jpg {place}\n")
        partition.append(f"{n:04}.jpg {split}\n")
    (folder / LABELS).write_text("".join(labels), encoding="utf-8")
    (folder / PARTITION).write_text("".join(partition), encoding="utf-8")


@register_adapter(
    "rafce",
    f"RAF-CE/{LABELS}, RAF-CE/{PARTITION} and RAF-CE/aligned/0001_aligned.jpg",
    write=write_rafce,
    home="RAF-CE",
)
def read_rafce(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the 14 classes, splits train, val and test.

    data: the folder that holds RAF-CE, or RAF-CE itself. Raises DataError where the lists or images
    are not found, or a line is wrong.
    """
    folder, labels, partition = _find_files(data.absolute())
    ids, parts = _read_list(labels, len(CLASSES)), _read_list(partition, len(ASSUMED))
    if foreign := [name for name in ids if name not in parts]:
        raise DataError(
            f"{partition} has no line for {len(foreign)} of the {len(ids)} images of {labels}: the "
            f"first is {foreign[0]}, on line {ids[foreign[0]][1]} there"
        )
    splits, remark = _name_splits(ids, parts, partition)
    lines = [
        LabelLine(name, splits[parts[name][0]], class_id, number)
        for name, (class_id, number) in ids.items()
    ]
    rows: list[Row] = [
        {"path": path, "label": CLASSES[line.class_id], "split": line.split, "dataset": "rafce"}
        for line, path in zip(lines, find_listed_images(folder, lines), strict=True)
    ]
    return make_table(rows, remarks=[remark])


def _find_files(data: Path) -> tuple[Path, Path, Path]:
    """Return the folder that holds the images' folder, and both lists, which may lie apart."""
    roots = nested_roots(data, ROOTS)
    for root in roots:
        for folder in (root, *folders_in(root)):
            labels, partition = child(folder, LABELS), child(folder, PARTITION)
            if labels and not partition:
                raise DataError(
                    f"{labels} has no {PARTITION} beside it, which divides RAF-CE: found "
                    f"{contents(folder)}"
                )
            for place in (folder, root, *folders_in(root)) if labels else ():
                if labels and partition and child(place, "aligned", "Image", "Images", "original"):
                    return place, labels, partition
            if labels:
                raise DataError(
                    f"{labels} has no images beside it: expected {root}/aligned/0001_aligned.jpg; "
                    f"found {contents(root)}"
                )
    raise find_adapter("rafce").not_found(data, roots[0])


def _read_list(file: Path, n_ids: int) -> Listed:
    """Read a list of names and ids 0..n_ids - 1, with any line ends.

    Raises DataError naming file, line and text for another line, and for a name that comes twice.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    listed: Listed = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        found = LINE.fullmatch(line.strip())
        if not found or not 0 <= int(found[2]) < n_ids:
            raise DataError(
                f"{file}, line {number}: {line.strip()[:SHOWN]!r} is not a name and an id 0.."
                f"{n_ids - 1}, as in '0001.jpg 5'"
            )
        if before := listed.get(found[1]):
            raise DataError(f"{file}, line {number}: {found[1]} was listed on line {before[1]} too")
        listed[found[1]] = int(found[2]), number
    if not listed:
        raise DataError(f"{file} is empty: expected lines such as '0001.jpg 5'")
    return listed


def _name_splits(ids: Listed, parts: Listed, partition: Path) -> tuple[dict[int, str], str]:
    """Return the split of each id of the partition, and how it was found.

    The split with the published counts is test, the larger one of the others train.
    """
    sizes = Counter(parts[name][0] for name in ids)
    counts = Counter((parts[name][0], CLASSES[class_id]) for name, (class_id, _) in ids.items())
    tests = [
        part
        for part in sizes
        if all(counts[part, label] == number for label, number in TEST_COUNTS.items())
    ]
    if len(tests) == 1:
        others = [part for part, _ in sizes.most_common() if part not in tests]
        splits = {tests[0]: "test", **dict(zip(others, ("train", "val"), strict=False))}
        said = f"{_said(splits)}: by its counts of the test split, which are the published ones"
    else:
        splits = ASSUMED
        said = f"{_said(splits)}: assumed, as no part has the published counts of the test split"
    return splits, f"{partition}: {said}"


def _said(splits: dict[int, str]) -> str:
    return ", ".join(f"{part} is {split}" for part, split in sorted(splits.items()))
