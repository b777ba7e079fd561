"""Read MAFW: clips with one of 11 classes, or with several at once, which are compound classes."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.class_order import Order, find_order
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
from fewshot_fer.data.labels import canonical, parts_of
from fewshot_fer.data.listing import child, folders_in
from fewshot_fer.system.errors import DataError

ROOTS = ("MAFW",)
LISTS = (
    *("split", "Train & Test Set", "train_test_set/Train & Test Set", "train_test_set", "anno"),
    *("label", "labels", "annotation", "annotations"),
)
KINDS = {"mafw": ("single",), "mafw_multiple": ("multiple", "compound", "multi")}
FRAMES = ("data/frames", "frames", "data/faces", "faces", "data/clips_faces", "clips_faces")
VIDEOS = ("data/clips", "clips", "data/videos", "videos")
CLASSES = (
    *("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt"),
    *("anxiety", "helplessness", "disappointment"),
)
N_FOLDS = 5
LAYOUT = (
    "MAFW/split/{0}/no_caption/set_1/train.txt and test.txt with lines such as '00025.mp4 {1}' and "
    "MAFW/data/frames/00025/*.jpg"
)
DRAWN_MULTIPLE = (
    *("anger_disgust", "fear_surprise", "sadness_helplessness", "anger_anxiety"),
    *("sadness_surprise", "happiness_surprise", "anxiety_helplessness"),
)


def write_mafw(folder: Path, drawn: DrawnSet) -> None:
    """Write lists of five folds of single and of multiple labels, and one folder of frames: as many
    people are tested by the first fold as by all others together."""
    portraits = [
        Portrait(" ".join(label.split("_")), 33_000 + number)
        for label in (*CLASSES, *DRAWN_MULTIPLE)
        for number in range(2 * drawn.people)
    ]
    lines: dict[str, dict[int, list[str]]] = {
        kind: {fold: [] for fold in range(1, N_FOLDS + 1)} for kind in ("single", "compound")
    }
    pictures = drawn.draw(portraits)
    for place, (portrait, (picture,)) in enumerate(zip(portraits, pictures, strict=True), start=1):
        write_drawn_clip(folder / FRAMES[0] / f"{place:05}", picture, n_frames=2)
        person, several = portrait.person - 33_000, " " in portrait.label
        fold = 1 if person < drawn.people else 2 + person % (N_FOLDS - 1)
        line = f"{place:05}.mp4 {'_'.join(portrait.label.split())}"
        if not several:
            lines["single"][fold].append(line)
        if several or portrait.label == "neutral":  # single classes are in both
            lines["compound"][fold].append(line)
    for kind, tested in lines.items():
        for fold, own in tested.items():
            others = [line for each, some in tested.items() if each != fold for line in some]
            within = folder / "split" / kind / "no_caption" / f"set_{fold}"
            within.mkdir(parents=True)
            (within / "train.txt").write_text("\n".join(others) + "\n")
            (within / "test.txt").write_text("\n".join(own) + "\n")


@register_adapter(
    "mafw", LAYOUT.format("single", "anger"), unit="clips", write=write_mafw, home="MAFW"
)
def read_mafw(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all frames of the clips with one label, a clip a group, five folds.

    data: the folder that holds MAFW, or MAFW itself. Raises DataError where there are no lists, no
    frames, a line that cannot be read, or ids in the place of names and no file that says which.
    """
    return _read("mafw", data)


@register_adapter(
    "mafw_multiple",
    LAYOUT.format("compound", "sadness_surprise"),
    unit="clips",
    write=write_mafw,
    home="MAFW",
)
def read_mafw_multiple(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the lists of multiple labels, as `read_mafw` does: compound classes
    such as `sadly surprised`, single ones too where the lists have them."""
    return _read("mafw_multiple", data)


def _read(name: str, data: Path) -> pd.DataFrame:
    for root in roots_of(data, ROOTS):
        if (lists := _lists(root, name)) is not None:
            break
    else:
        raise find_adapter(name).not_found(data, roots_of(data, ROOTS)[0])
    listing = join_folds(_folds(lists, root, name), N_FOLDS)
    named = [found for path in FRAMES if (found := below(root, path))]
    inner = [deep for place in named for deep in folders_in(place) if "frames" in deep.name.lower()]
    places = [*named, *inner, *(found for path in VIDEOS if (found := below(root, path)))]
    if (folders := find_frames(places, listing.clips, depth=1)) is None:
        extract = need_extraction(name, places, 1, root / FRAMES[0])
        raise extract or find_adapter(name).not_found(data, child(root, "data") or root)
    return read_frames_of(name, listing.clips, folders, listing.remarks)


def _lists(root: Path, name: str) -> Path | None:
    """Return the folder that holds set_1, set_2, ... of a kind of labels, if there is one."""
    for base in (root, *(found for path in LISTS if (found := below(root, path)))):
        kind = child(base, *KINDS[name])
        for folder in (kind and child(kind, "no_caption"), kind):
            if folder and folder.is_dir() and set_files(folder):
                return folder
    return None


def _folds(lists: Path, root: Path, name: str) -> dict[int, Fold]:
    order = find_order(lists, root, CLASSES if name == "mafw" else None)
    folds: dict[int, Fold] = {}
    for number, folder in set_files(lists).items():
        files = {s: child(folder, f"{s}.txt", f"{s}.csv") for s in ("train", "test")}
        listed = {s: [*_listed(file, name, order)] if file else None for s, file in files.items()}
        folds[number] = Fold(**listed)
    return folds


def _listed(file: Path, name: str, order: Order) -> Iterator[Listed]:
    for line, where in numbered_lines(file):
        words = line.replace("\\", "/").replace(",", " ").split()
        if len(words) > 2 and words[-2].isdecimal():  # the number of frames, in some copies
            del words[-2]
        clip = " ".join(words[:-1]).rpartition("/")[2].partition(".")[0]
        if not clip:
            raise wrong_line(line, where, "a clip and its class, as in '00025.mp4 anger'")
        spelling = order.name_of(words[-1], where) if words[-1].isdecimal() else words[-1]
        label = canonical(spelling)
        single = label in CLASSES
        if not (single if name == "mafw" else single or {*parts_of(label)} <= {*CLASSES}):
            raise DataError(
                f"{where}: {spelling!r} is not a class of {name}: expected {', '.join(CLASSES)}"
                f"{'' if name == 'mafw' else ', or several with _ between them'}"
            )
        key = f"{int(clip):05}" if clip.isdecimal() else clip
        yield Listed(key, label, spelling, where)
