"""AFEW as folders of frames: <split>/<Class>/<clip>/<frame>.jpg."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fewshot_fer.data.listing import child, contents, folders_in, images_in, nothing_found
from fewshot_fer.data.table import make_table
from fewshot_fer.errors import DataError
from fewshot_fer.labels import BASIC, canonical

log = logging.getLogger("fewshot_fer")

ROOTS = ("AFEW", "AFEW_frames", "AFEW-frames", "AFEW_faces", "EmotiW")
SPLITS = {
    "train": ("Train_AFEW", "Train", "train_set"),
    "val": ("Val_AFEW", "Val", "Valid", "Validation", "val_set"),
}
EXPECTED = "Train_AFEW/<Class>/<9-digit clip>/001.jpg and Val_AFEW/<Class>/<9-digit clip>/001.jpg"
Row = dict[str, object]


def read_afew(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all frames, splits train and val.

    data: the folder that holds AFEW, or AFEW itself. A clip's key is split/Class/id, since ids are
    not unique; `frame` counts the clip's frames from 0, frames without a face (`*noface*`) among
    them, but those are left out. Raises DataError where the layout is not that of extracted frames.
    """
    splits = _split_folders(data)
    rows, left_out, empty = [], 0, []
    for split, folder in splits.items():
        for clip, label in _clips(folder):
            frames, kept = _frames(clip)
            left_out += frames - len(kept)
            key = f"{split}/{clip.parent.name}/{clip.name}"
            if not kept:
                empty.append(key)
            rows += [
                {**row, "label": label, "split": split, "clip": key, "group": key} for row in kept
            ]
    if left_out:
        log.info("afew: %d frames without a face left out", left_out)
    if empty:
        log.warning("afew: %d clips without a face: %s", len(empty), ", ".join(empty))
    if not rows:
        raise nothing_found("frames of AFEW", data, EXPECTED)
    return make_table([{**row, "dataset": "afew"} for row in rows])


def _split_folders(data: Path) -> dict[str, Path]:
    roots = [root for name in ROOTS if (root := child(data, name))]
    for root in (*roots, data):
        found = {split: child(root, *names) for split, names in SPLITS.items()}
        present = {split: folder for split, folder in found.items() if folder is not None}
        if present and any(_is_afew(folder) for folder in present.values()):
            return present
    raise nothing_found("AFEW", data, f"AFEW/{EXPECTED.replace(' and ', ' and AFEW/')}")


def _is_afew(folder: Path) -> bool:
    """Tell AFEW's split folder from that of another data set: classes by name, clips below."""
    if not folder.is_dir():
        return False
    return folder.name.casefold().endswith("_afew") or any(
        canonical(path.name) in BASIC and (folders_in(path) or _videos(path))
        for path in folders_in(folder)
    )


def _clips(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each clip's folder with its canonical class."""
    for of_class in folders_in(folder):
        label = canonical(of_class.name)
        if label not in BASIC:
            raise DataError(
                f"{of_class} is not a class of AFEW: expected Angry, Disgust, Fear, Happy, "
                f"Neutral, Sad, Surprise"
            )
        clips = folders_in(of_class)
        if not clips:
            _explain_missing_clips(of_class)
        for clip in clips:
            yield clip, label


def _explain_missing_clips(of_class: Path) -> None:
    """Raise DataError for a class folder that holds something other than clips of frames."""
    if _videos(of_class):
        raise DataError(
            f"{of_class} holds videos ({contents(of_class)}): frames must be extracted first, into "
            f"{of_class.name}/<clip>/001.jpg, one folder a clip"
        )
    if images_in(of_class):
        raise DataError(
            f"{of_class} holds frames without clip folders ({contents(of_class)}): expected "
            f"{of_class.name}/<clip>/001.jpg; without clips, frames of one film would stand in "
            f"both support and query"
        )
    log.warning("afew: no clips in %s", of_class)


def _frames(clip: Path) -> tuple[int, list[Row]]:
    """Return how many frames a clip has, and a row for each that has a face."""
    paths = images_in(clip)
    rows: list[Row] = [
        {"path": str(path), "frame": number}
        for number, path in enumerate(paths)
        if "noface" not in path.name.casefold()
    ]
    return len(paths), rows


def _videos(folder: Path) -> bool:
    return bool(images_in(folder, endings=(".avi", ".mp4", ".mov", ".mkv")))
