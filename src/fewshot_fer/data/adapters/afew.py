"""Read AFEW as folders of frames: <split>/<Class>/<clip>/<frame>.jpg."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.registry import find_adapter, register_adapter
from fewshot_fer.data.labels import AFEW_CLIP_COUNTS, BASIC, canonical
from fewshot_fer.data.listing import (
    VIDEO_ENDINGS,
    child,
    contents,
    folders_in,
    images_in,
    left_out_remarks,
)
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("AFEW_frames", "AFEW-frames", "AFEW_faces", "AFEW", "EmotiW")
"""Folders below paths.data; those that say frames come first: beside them AFEW may hold videos."""
SPLITS = {
    "train": ("Train_AFEW", "Train", "train_set"),
    "val": ("Val_AFEW", "Val", "Valid", "Validation", "val_set"),
}
FOLDERS = {
    canonical(name): name
    for name in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
}
CLASSES = ", ".join(FOLDERS.values())
PREFIXED = re.compile(r"[0-9]+_[0-9]+_([0-9]{9})")
log = logging.getLogger("fewshot_fer")


@register_adapter(
    "afew",
    "AFEW/Train_AFEW/<Class>/<9-digit clip>/001.jpg and "
    "AFEW/Val_AFEW/<Class>/<9-digit clip>/001.jpg",
    counts=AFEW_CLIP_COUNTS,
    unit="clips",
    differs="clips may be missing, or in folders of another name; public lists of frames have 381 "
    "of val, as two lose every face",
    pictures=r"(^|_)[0-9]{9}/",
)
def read_afew(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all frames, splits train and val.

    data: the folder that holds AFEW, or AFEW itself. A clip's key is split/Class/id, since ids are
    not unique; `frame` counts the clip's frames from 0, frames without a face (`*noface*`) among
    them, but those are left out; attrs["lost_clips"] maps each clip that lost all to its class.
    Raises DataError where the layout is not that of extracted frames.
    """
    data = data.absolute()
    rows: list[Row] = []
    left_out, endings = 0, Counter[str]()
    lost: dict[str, str] = {}
    splits = _split_folders(data)
    for split, folder in splits.items():
        for clip, label, name in _clips(folder):
            frames, kept = _frames(clip, endings)
            left_out += frames - len(kept)
            key = f"{split}/{name}"
            if not kept:
                lost[key] = label
            common = {"label": label, "split": split, "clip": key, "dataset": "afew"}
            common["spelling"] = clip.parent.name
            rows += [{**row, **common} for row in kept]
    if left_out:
        log.info("afew: %d frames without a face left out", left_out)
    if lost:
        log.warning("afew: %d clips without any face: %s", len(lost), ", ".join(lost))
    if not rows:
        raise find_adapter("afew").not_found(data, next(iter(splits.values())))
    table = make_table(rows, remarks=left_out_remarks(endings, next(iter(splits.values())).parent))
    table.attrs["lost_clips"] = lost
    return table


def _split_folders(data: Path) -> dict[str, Path]:
    """Return split -> folder of the first place that has AFEW's. Raises DataError for none."""
    roots = [root for name in ROOTS if (root := child(data, name))]
    found = [(root, splits) for root in (*roots, data) if (splits := _splits_below(root))]
    for _, splits in found:
        classes = [path for folder in splits.values() for path in folders_in(folder)]
        if any(folders_in(path) for path in classes if canonical(path.name) in BASIC):
            return splits
    # Without clips only the name tells AFEW; what is wrong with it is said where it is read.
    for root, splits in found:
        named = root.name.casefold() in {name.casefold() for name in ROOTS}
        if named or any(path.name.casefold().endswith("_afew") for path in splits.values()):
            return splits
    raise find_adapter("afew").not_found(data, next(iter(roots), data))


def _splits_below(root: Path) -> dict[str, Path]:
    found = {split: child(root, *names) for split, names in SPLITS.items()}
    return {split: folder for split, folder in found.items() if folder and folder.is_dir()}


def _clips(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield each clip's folder with its canonical class and its key within the split."""
    for of_class in folders_in(folder):
        label = canonical(of_class.name)
        if label not in BASIC:
            raise DataError(f"{of_class} is not a class of AFEW: expected {CLASSES}")
        clips = folders_in(of_class)
        _require_clips(of_class, clips)
        # A copy that calls 002916200 of Sad Sadness/1_1_002916200 has the same clips.
        found = [PREFIXED.fullmatch(clip.name) for clip in clips]
        ids = {match[1] for match in found if match}
        if found and len(ids) == len(clips):
            keys = [f"{FOLDERS[label]}/{match[1]}" for match in found if match]
        else:
            keys = [f"{of_class.name}/{clip.name}" for clip in clips]
        for clip, key in zip(clips, keys, strict=True):
            yield clip, label, key


def _require_clips(of_class: Path, clips: list[Path]) -> None:
    """Raise DataError for a class folder that holds frames of its own, or videos alone."""
    if images_in(of_class):
        raise DataError(
            f"{of_class} holds frames without clip folders ({contents(of_class)}): expected "
            f"{of_class.name}/<clip>/001.jpg; without clips, frames of one film would stand in "
            f"both support and query"
        )
    if not clips and images_in(of_class, VIDEO_ENDINGS):
        raise DataError(
            f"{of_class} holds videos ({contents(of_class)}): frames must be extracted first, into "
            f"{of_class.name}/<clip>/001.jpg, one folder a clip"
        )
    if not clips:
        log.warning("afew: no clips in %s", of_class)


def _frames(clip: Path, endings: Counter[str]) -> tuple[int, list[Row]]:
    """Return how many frames a clip has, and a row for each that has a face.

    endings: counts those of files that are no pictures.
    """
    paths = images_in(clip, left_out=endings)
    rows: list[Row] = [
        {"path": str(path), "frame": number}
        for number, path in enumerate(paths)
        if "noface" not in path.name.casefold()
    ]
    return len(paths), rows
