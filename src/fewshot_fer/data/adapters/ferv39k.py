"""Read FERV39k: clips of 22 scenes as folders of frames, with a list of each split."""

import re
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.clip_frames import (
    find_frames,
    need_extraction,
    read_frames_of,
    write_drawn_clip,
)
from fewshot_fer.data.adapters.clip_lists import (
    Listed,
    below,
    join_splits,
    read_list,
    roots_of,
    wrong_line,
)
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import child, folders_in
from fewshot_fer.system.errors import DataError

ROOTS = ("FERV39k", "FERV39k_Dataset", "FERV")
LISTS = ("4_setups/All_scenes", "All_scenes", "4_setups", "Annotation")
FRAMES = "2_ClipsforFaceCrop"
LINE = re.compile(r"(?:.*/)?([^/]+)/([^/]+)/([0-9]+)(?:[\s,]+[0-9]+)?[\s,]+([^\s,/]+)")
"""A path that ends in scene, class and number, in some copies the number of frames, the class."""
SPELLINGS = {
    "Happy": "happiness",
    "Sad": "sadness",
    "Neutral": "neutral",
    "Angry": "anger",
    "Surprise": "surprise",
    "Disgust": "disgust",
    "Fear": "fear",
}
_NUMBERS = {
    "train": (5854, 5523, 7790, 5906, 2502, 1833, 1680),
    "test": (1473, 1393, 1958, 1487, 638, 467, 431),
}
COUNTS = {split: dict(zip(SPELLINGS.values(), n, strict=True)) for split, n in _NUMBERS.items()}
SCENES = ("Action", "Crime", "School")  # of the drawn ones


def write_ferv39k(folder: Path, drawn: DrawnSet) -> None:
    """Write the lists of both splits, and clips whose numbers repeat in every scene and class."""
    portraits = [
        Portrait(label, 32_000 + number)
        for number in range(2 * drawn.people)
        for label in SPELLINGS.values()
    ]
    words = {label: word for word, label in SPELLINGS.items()}
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for portrait, (picture,) in zip(portraits, drawn.draw(portraits), strict=True):
        number = portrait.person - 32_000
        word, scene = words[portrait.label], SCENES[number % len(SCENES)]
        name = f"{scene}/{word}/{number // len(SCENES):04}"
        write_drawn_clip(folder / FRAMES / name, picture)
        lines["test" if number < drawn.people else "train"].append(f"{name} {word}")
    for split, own in lines.items():
        file = folder / LISTS[0] / f"{split}_All.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(own) + "\n")


@register_adapter(
    "ferv39k",
    "FERV39k/4_setups/All_scenes/train_All.csv with lines such as 'Action/Happy/0267 Happy' and "
    "FERV39k/2_ClipsforFaceCrop/<scene>/<class>/<clip>/*.jpg",
    counts=COUNTS,
    unit="clips",
    differs="lists or scenes may be missing",
    write=write_ferv39k,
    home="FERV39k",
)
def read_ferv39k(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all frames, a clip a group, splits train and test.

    data: the folder that holds FERV39k, or FERV39k itself. A clip's key is scene/class/number, as
    numbers repeat. Raises DataError where there are no lists, no frames, or a line that cannot be
    read.
    """
    for root in roots_of(data, ROOTS):
        if lists := _lists(root):
            break
    else:
        raise find_adapter("ferv39k").not_found(data, roots_of(data, ROOTS)[0])
    listing = join_splits({split: read_list(file, _parse) for split, file in lists.items()})
    if missing := sorted({"train", "test"} - {*lists}):
        listing.remarks.append(f"no {missing[0]}_All.csv: there is no split {missing[0]}")
    named = below(root, FRAMES)
    places = [named] if named else [f for f in folders_in(root) if f.name.startswith("2_Clips")]
    if (folders := find_frames([*places, root], listing.clips, depth=3)) is None:
        extract = need_extraction("ferv39k", [*places, *folders_in(root)], 4, root / FRAMES)
        raise extract or find_adapter("ferv39k").not_found(data, named or root)
    return read_frames_of("ferv39k", listing.clips, folders, listing.remarks)


def _lists(root: Path) -> dict[str, Path]:
    """Return split -> list of the first folder that has any."""
    for folder in (*(found for name in LISTS if (found := below(root, name))), root):
        files = {split: child(folder, f"{split}_All.csv") for split in ("train", "test")}
        if there := {split: file for split, file in files.items() if file and file.is_file()}:
            return there
    return {}


def _parse(line: str, where: str) -> Listed:
    found = LINE.fullmatch(line.replace("\\", "/"))
    if found is None:
        raise wrong_line(line, where, "a clip and its class, as in 'Action/Happy/0267 Happy'")
    scene, of_class, number, spelling = found.groups()
    # Ids are in several orders in the wild: the name in the path says the same.
    label = canonical(of_class if spelling.isdecimal() else spelling)
    if label not in COUNTS["train"]:
        raise DataError(
            f"{where}: {spelling!r} is not a class of FERV39k: expected {', '.join(SPELLINGS)}"
        )
    return Listed(f"{scene}/{of_class}/{number}", label, of_class, where)
