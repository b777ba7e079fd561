"""Read DFEW: clips of films as folders of frames, with lists of five folds."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.clip_frames import (
    find_frames,
    need_extraction,
    read_frames_of,
    write_drawn_clip,
)
from fewshot_fer.data.adapters.clip_lists import (
    Fold,
    Listed,
    below,
    join_folds,
    numbered_lines,
    roots_of,
    set_files,
    wrong_line,
)
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import child, folders_in
from fewshot_fer.system.errors import DataError

ROOTS = ("DFEW", "DFEW-part2", "DFEW_part2")
LISTS = "EmoLabel_DataSplit"
LIST_FOLDERS = {
    split: (f"{split}(single-labeled)", f"{split} (single-labeled)", split)
    for split in ("train", "test")
}
FRAMES = ("clip_224x224", "jpg_256", "clip_224x224_16f", "clip_224x16f", "jpg_224_16f")
"""Folders in Clip/, those of all frames before those of 16."""
NAMES = ("video_name", "video", "clip", "name", "order")  # columns that may hold the clip
HEADER = "the columns video_name,label, as in '1,3'"
CLASSES = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
"""The id of a class is its position plus one."""
N_FOLDS = 5
_FOLD_1 = {
    "train": (1956, 1515, 2135, 1738, 1175, 116, 721),
    "test": (489, 379, 534, 435, 294, 29, 181),
}
COUNTS = {label: sum(of_split) for label, *of_split in zip(CLASSES, *_FOLD_1.values(), strict=True)}
"""Of the lists of fold 1, which name every clip once; its test list alone is 2,341 clips."""


def write_dfew(folder: Path, drawn: DrawnSet) -> None:
    """Write lists of five folds and clips of a few frames: as many people are tested by the first
    fold as by all others together."""
    portraits = [
        Portrait(label, 31_000 + number) for number in range(2 * drawn.people) for label in CLASSES
    ]
    tested: dict[int, list[str]] = {fold: [] for fold in range(1, N_FOLDS + 1)}
    for place, (portrait, (picture,)) in enumerate(
        zip(portraits, drawn.draw(portraits), strict=True), start=1
    ):
        write_drawn_clip(folder / "Clip/clip_224x224" / f"{place:05}", picture)
        person = portrait.person - 31_000
        fold = 1 if person < drawn.people else 2 + person % (N_FOLDS - 1)
        tested[fold].append(f"{place},{CLASSES.index(portrait.label) + 1}")
    for fold, own in tested.items():
        others = [line for each, lines in tested.items() if each != fold for line in lines]
        for split, lines in (("train", others), ("test", own)):
            file = folder / LISTS / LIST_FOLDERS[split][0] / f"set_{fold}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(["video_name,label", *lines]) + "\n")


@register_adapter(
    "dfew",
    "DFEW/EmoLabel_DataSplit/test(single-labeled)/set_1.csv with the columns video_name,label and "
    "DFEW/Clip/clip_224x224/00001/*.jpg",
    counts={"all": COUNTS},
    unit="clips",
    differs="lists of folds may be missing, or cut short",
    write=write_dfew,
    home="DFEW",
)
def read_dfew(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all frames of single-labelled clips, a clip a group, five folds.

    data: the folder that holds DFEW, or DFEW itself. Raises DataError where there are no lists, no
    frames, or a line that cannot be read.
    """
    for root in roots_of(data, ROOTS):
        if (lists := child(root, LISTS)) and (folds := _folds(lists)):
            break
    else:
        raise find_adapter("dfew").not_found(data, roots_of(data, ROOTS)[0])
    listing = join_folds(folds, N_FOLDS)
    clip = child(root, "Clip", "Clips") or root
    named = [found for name in FRAMES if (found := below(clip, name))]
    places = [*dict.fromkeys([*named, *folders_in(clip), clip])]
    if (folders := find_frames(places, listing.clips, depth=1)) is None:
        extract = need_extraction("dfew", places, 1, clip / FRAMES[0])
        raise extract or find_adapter("dfew").not_found(data, clip)
    if len(named) > 1:
        used = Path(next(iter(folders.values()))).parent.name
        listing.remarks.append(f"{clip} holds {len(named)} folders of frames: {used} is read")
    return read_frames_of("dfew", listing.clips, folders, listing.remarks)


def _folds(lists: Path) -> dict[int, Fold]:
    folds: dict[int, Fold] = {}
    for split, names in LIST_FOLDERS.items():
        if folder := child(lists, *names):
            for number, file in set_files(folder, ".csv").items():
                setattr(folds.setdefault(number, Fold()), split, [*_listed(file)])
    return dict(sorted(folds.items()))


def _listed(file: Path) -> Iterator[Listed]:
    lines = numbered_lines(file)
    header, where = next(lines)
    columns = [column.strip().casefold() for column in next(csv.reader([header]))]
    names = [name for name in NAMES if name in columns]
    if not names or "label" not in columns:
        raise DataError(f"{where}: expected {HEADER}; found {header[:80]!r}")
    place, of_label = columns.index(names[0]), columns.index("label")
    for line, where in lines:
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if len(cells) != len(columns) or not cells[place]:
            raise wrong_line(line, where, HEADER)
        name = cells[place].rpartition("/")[2].partition(".")[0]
        key = f"{int(name):05}" if name.isdecimal() else name
        yield Listed(key, _label(cells[of_label], where), cells[of_label], where)


def _label(text: str, where: str) -> str:
    label = canonical(text)
    if found := re.fullmatch(r"([1-9])(\.0*)?", text):
        label = CLASSES[int(found[1]) - 1] if int(found[1]) <= len(CLASSES) else ""
    if label not in CLASSES:
        ids = ", ".join(f"{number} {name}" for number, name in enumerate(CLASSES, start=1))
        raise DataError(f"{where}: the label {text!r} is none of DFEW's, which count from 1: {ids}")
    return label
