"""Read Oulu-CASIA: sequences of images by camera, light, subject and expression."""

import logging
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.named_pictures import nested_roots
from fewshot_fer.data.adapters.posed_sequence import (
    NEUTRAL,
    drawn_sequence,
    posed_frames,
    posed_rows,
)
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import child, folders_in, image_names_in, left_out_remarks
from fewshot_fer.data.splits import fold_splits
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row
from fewshot_fer.system.progress import tqdm

ROOTS = (
    *("Oulu-CASIA", "Oulu_CASIA", "OuluCASIA", "Oulu_CASIA_NIR_VIS", "Oulu-CASIA_NIR_VIS", "OULU"),
    *("PreProcess_Img", "PreProcess", "PreProcessImg", "B_PreProcess_Img"),
    *("OriginalImg", "Original_Img", "B_OriginalImg"),
)
"""Faces that are cut out come before whole frames."""
CAMERAS = ("VL_Acropped", "VL")  # visible light; near infrared is NI_Acropped
LIGHTS = ("Strong",)
SUBJECT = re.compile(r"P[0-9]{3}", re.IGNORECASE)
FOLDERS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
CLASSES = tuple(canonical(name) for name in FOLDERS)
# Zhao et al., "Facial expression recognition from near-infrared videos", Image and Vision
# Computing 29 (2011): 80 subjects, each with six expressions.
N_OF_CLASS = 80
N_FOLDS = 10
_PERSON = 23_000  # the first person drawn here
log = logging.getLogger("fewshot_fer")


def write_oulu_casia(folder: Path, drawn: DrawnSet) -> None:
    """Write six sequences of some subjects in visible light, and of the first in infrared."""
    labels = (*CLASSES, NEUTRAL)
    faces = [Portrait(label, _PERSON + n) for n in range(drawn.people) for label in labels]
    pictures = [picture for (picture,) in drawn.draw(faces)]
    for number, picture in enumerate(pictures):
        person, code = divmod(number, len(labels))
        if code == len(FOLDERS):
            continue
        frames = drawn_sequence(pictures[(person + 1) * len(labels) - 1], picture, take=code)
        for camera in ("VL_Acropped", "NI_Acropped")[: 1 if person else 2]:
            place = f"PreProcess_Img/{camera}/Strong/P{person + 1:03}/{FOLDERS[code]}"
            (folder / place).mkdir(parents=True)
            for time, frame in enumerate(frames):
                seen = frame if camera == "VL_Acropped" else frame.convert("L")
                seen.save(folder / place / f"{time:03}.jpeg")


@register_adapter(
    "oulu_casia",
    "Oulu-CASIA/PreProcess_Img/VL_Acropped/Strong/P001/Anger/000.jpeg",
    counts={"all": dict.fromkeys(CLASSES, N_OF_CLASS)},
    unit="clips",
    write=write_oulu_casia,
    home="Oulu-CASIA",
)
def read_oulu_casia(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all sequences of one camera and light, subjects as groups, in folds.

    data: the folder that holds Oulu-CASIA, or any folder of it: visible light and strong are taken
    where it leaves the choice. Of each sequence the last three frames have its class, and the first
    one is neutral, a clip of its own; `frame` counts from 0. attrs["lost_clips"]: sequences without
    any frame, by class. Raises DataError where no subjects are found or a folder is no class.
    """
    data = data.absolute()
    subjects = _subjects(data)
    rows: list[Row] = []
    lost: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    begun_late = 0
    for subject in tqdm(subjects, desc="Oulu-CASIA", disable=None, delay=2):
        for of_class in folders_in(subject):
            label, clip = _label(of_class), f"{subject.name.upper()}/{of_class.name}"
            frames = posed_frames(image_names_in(of_class, left_out=left_out))
            if not any(frame.apex for frame in frames):
                lost[clip] = label
                continue
            begun_late += all(frame.apex for frame in frames)
            common = {"group": subject.name.upper(), "dataset": "oulu_casia"}
            rows += [row | common for row in posed_rows(of_class, frames, clip, label)]
    if lost:
        log.warning(
            "oulu_casia: %d sequences without their last frames: %s", len(lost), ", ".join(lost)
        )
    if not rows:
        raise find_adapter("oulu_casia").not_found(data, subjects[0].parent)
    folds = fold_splits([str(row["group"]) for row in rows], N_FOLDS)
    where = subjects[0].parent
    remarks = [f"oulu_casia: read from {where}", *left_out_remarks(left_out, where)]
    if begun_late:
        remarks.append(
            f"{where}: no neutral frame of {begun_late} sequence(s), which lack their first frames"
        )
    table = make_table(
        [row | {"split": fold} for row, fold in zip(rows, folds, strict=True)], remarks=remarks
    )
    table.attrs["lost_clips"] = lost
    return table


def _subjects(data: Path) -> list[Path]:
    """Return the subjects' folders. Raises DataError where there are none, or of infrared alone."""
    roots = nested_roots(data, ROOTS)
    nearest = roots[0]
    for root in roots:
        camera = child(root, *CAMERAS) or root
        place = child(camera, *LIGHTS) or camera
        nearest = place if place != root and nearest == roots[0] else nearest
        if place.is_dir():
            subjects = [inner for inner in folders_in(place) if SUBJECT.fullmatch(inner.name)]
            if any(canonical(own.name) in CLASSES for s in subjects[:1] for own in folders_in(s)):
                return subjects
    raise find_adapter("oulu_casia").not_found(data, nearest)


def _label(folder: Path) -> str:
    label = canonical(folder.name)
    if label not in CLASSES:
        raise DataError(f"{folder} is not a class of Oulu-CASIA: expected {', '.join(FOLDERS)}")
    return label
