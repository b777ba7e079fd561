"""Read CK+: sequences from a neutral face to the apex, as published or as CK+48."""

import logging
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.named_pictures import find_named, nested_roots
from fewshot_fer.data.adapters.posed_sequence import (
    NEUTRAL,
    drawn_sequence,
    frame_number,
    posed_frames,
    posed_rows,
)
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import contents, folders_in, image_names_in, left_out_remarks
from fewshot_fer.data.splits import fold_splits
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row
from fewshot_fer.system.progress import tqdm

ROOTS = ("CK+", "CKPlus", "CK_Plus", "CK", "CK+48", "Cohn-Kanade")
IMAGES = ("cohn-kanade-images", "extended-cohn-kanade-images")
EMOTION = ("Emotion", "Emotions", "Emotion_labels")
CLASSES = (NEUTRAL, "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""By the numbers in the label files. Neutral is none of them: it is how a sequence begins."""
# Lucey et al., "The Extended Cohn-Kanade Dataset (CK+)", CVPR workshops 2010: 327 sequences.
COUNTS = dict(zip(CLASSES[1:], (45, 18, 59, 25, 69, 28, 83), strict=True))
N_FOLDS = 10
SUBJECT, SEQUENCE = re.compile(r"S[0-9]{3}", re.IGNORECASE), re.compile(r"[0-9]{3}")
LABEL_FILE = "_emotion.txt"
CK48 = re.compile(r"(S[0-9]{3})_([0-9]{3})_([0-9]{8})", re.IGNORECASE)
_PERSON = 22_000  # the first person drawn here
log = logging.getLogger("fewshot_fer")


def write_ckplus(folder: Path, drawn: DrawnSet) -> None:
    """Write a sequence of each class for some subjects, and for the first one without a label."""
    faces = [Portrait(label, _PERSON + n) for n in range(drawn.people) for label in CLASSES]
    pictures = [picture.convert("L") for (picture,) in drawn.draw(faces)]
    for number, (portrait, picture) in enumerate(zip(faces, pictures, strict=True)):
        person, code = portrait.person - _PERSON, number % len(CLASSES)
        if person and not code:
            continue
        place = f"S{person + 5:03}/{code or len(CLASSES):03}"
        neutral = pictures[person * len(CLASSES)]
        frames = drawn_sequence(neutral, picture, take=code)
        (folder / IMAGES[0] / place).mkdir(parents=True)
        (folder / EMOTION[0] / place).mkdir(parents=True)
        for time, frame in enumerate(frames, start=1):
            name = f"{place.replace('/', '_')}_{time:08}"
            frame.save(folder / IMAGES[0] / place / f"{name}.png")
        if code:
            label = folder / EMOTION[0] / place / f"{name}_emotion.txt"
            label.write_text(f"   {code:.7e}\n", encoding="utf-8")


@register_adapter(
    "ckplus",
    "CK+/cohn-kanade-images/S005/001/S005_001_00000011.png and "
    "CK+/Emotion/S005/001/S005_001_00000011_emotion.txt; or CK+48/<class>/S010_004_00000017.png",
    counts={"all": COUNTS},
    unit="clips",
    write=write_ckplus,
    home="CK+",
)
def read_ckplus(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all labelled sequences, subjects as groups, in ten folds.

    data: the folder that holds CK+, or CK+ itself. Of each sequence the last three frames have its
    class, and the first one is neutral, a clip of its own; CK+48 has the last three alone. `frame`
    counts from 0. attrs["lost_clips"]: labelled sequences without any frame, by class. Raises
    DataError where neither layout is found, or a label file has no number of a class.
    """
    data = data.absolute()
    within = data.name.casefold() in (name.casefold() for name in (*IMAGES, *EMOTION))
    halves = []
    for root in nested_roots(data.parent if within else data, ROOTS):
        images, labels = (_subjects_below(root, names) for names in (IMAGES, EMOTION))
        if images and labels:
            return _read_published(images, labels)
        halves += [(root, images)] if images else []
    if halves:
        root, images = halves[0]
        raise DataError(
            f"{images} has no labels beside it: expected {root / EMOTION[0]}/S005/001/"
            f"S005_001_00000011_emotion.txt; found in {root}: {contents(root)}"
        )
    return _read_ck48(data)


def _subjects_below(root: Path, names: tuple[str, ...]) -> Path | None:
    """Return the innermost folder of one of the names that holds subjects' folders, if any."""
    for folder in nested_roots(root, names)[:-1]:
        if any(SUBJECT.fullmatch(inner.name) for inner in folders_in(folder)):
            return folder
    return None


def _sequences(folder: Path) -> dict[str, Path]:
    """Return `S005/001` -> its folder, of all subjects and sequences."""
    return {
        f"{subject.name.upper()}/{sequence.name}": sequence
        for subject in folders_in(folder)
        if SUBJECT.fullmatch(subject.name)
        for sequence in folders_in(subject)
        if SEQUENCE.fullmatch(sequence.name)
    }


def _read_published(images: Path, labels: Path) -> pd.DataFrame:
    """Return the FaceTable of the sequences that have a label, as most have not."""
    rows: list[Row] = []
    lost: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    begun_late, pictures = 0, _sequences(images)
    for clip, folder in tqdm(_sequences(labels).items(), desc="CK+", disable=None, delay=2):
        if (found := _label(folder)) is None:
            continue
        label, last = found
        names = image_names_in(pictures[clip], left_out=left_out) if clip in pictures else []
        frames = posed_frames(names, last)
        if not any(frame.apex for frame in frames):
            lost[clip] = label
            continue
        begun_late += all(frame.apex for frame in frames)
        rows += posed_rows(pictures[clip], frames, clip, label)
    if lost:
        log.warning(
            "ckplus: %d sequences without their last frames: %s", len(lost), ", ".join(lost)
        )
    if not rows:
        raise DataError(
            f"no labelled sequence below {labels} has frames below {images}: expected "
            f"S005/001/S005_001_00000011_emotion.txt and S005/001/S005_001_00000011.png"
        )
    late = f"{images}: no neutral frame of {begun_late} sequence(s), which lack their first frames"
    return _table(
        rows, [*left_out_remarks(left_out, images), *([late] if begun_late else [])], lost
    )


def _label(folder: Path) -> tuple[str, int] | None:
    """Return the class of a sequence and the number of its last frame; None without a label file.

    Raises DataError for a file whose content is not the number of a class, such as 3.0000000e+00.
    """
    names = sorted(n for n in image_names_in(folder, (LABEL_FILE,)) if SUBJECT.match(n))
    if not names:
        return None
    file = folder / names[0]
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    try:
        number = float(text)
        label = CLASSES[1:][int(number) - 1] if number in range(1, len(CLASSES)) else None
    except ValueError:
        label = None
    if label is None:
        known = ", ".join(f"{number} {name}" for number, name in enumerate(CLASSES) if number)
        raise DataError(f"{file}: {text[:60]!r} is not the number of a class: expected {known}")
    return label, frame_number(names[0])


def _read_ck48(data: Path) -> pd.DataFrame:
    """Return the FaceTable of CK+48: <class>/S010_004_00000017.png, three frames a sequence."""
    _, named, remarks = find_named("ckplus", data, ROOTS, CK48)
    rows: list[Row] = []
    for path, match in named:
        folder = Path(path).parent
        if (label := canonical(folder.name)) not in CLASSES:
            raise DataError(
                f"{folder} is not a class of CK+48: expected anger, contempt, disgust, fear, "
                f"happy, sadness, surprise right above {match[0]}"
            )
        clip = f"{match[1].upper()}/{match[2]}" + (f"/{NEUTRAL}" if label == NEUTRAL else "")
        row = {"path": path, "label": label, "clip": clip, "frame": int(match[3])}
        rows.append(row | {"spelling": folder.name})
    return _table(rows, remarks, {})


def _table(rows: list[Row], remarks: list[str], lost: dict[str, str]) -> pd.DataFrame:
    subjects = [str(row["clip"]).split("/")[0] for row in rows]
    whole = [
        row | {"group": subject, "split": fold, "dataset": "ckplus"}
        for row, subject, fold in zip(rows, subjects, fold_splits(subjects, N_FOLDS), strict=True)
    ]
    table = make_table(whole, remarks=remarks)
    table.attrs["lost_clips"] = lost
    return table
