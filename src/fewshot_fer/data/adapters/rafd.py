"""Read RaFD: photographs whose names tell all, Rafd090_01_Caucasian_female_angry_frontal.jpg."""

import re
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.named_pictures import find_named, subject_table
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.system.errors import DataError

ROOTS = ("RaFD", "Radboud", "RafD_database")
SPELLINGS = (
    *("angry", "contemptuous", "disgusted", "fearful"),
    *("happy", "neutral", "sad", "surprised"),
)
GAZES = ("frontal", "left", "right")
NAME = re.compile(
    rf"Rafd(000|045|090|135|180)_([0-9]+)_([a-z]+)_(?:fe)?male_({'|'.join(SPELLINGS)})"
    rf"_({'|'.join(GAZES)})",
    re.IGNORECASE,
)
FRONTAL = "090"  # of the cameras, which stand from 000 (right) to 180 (left)
# Langner et al., "Presentation and validation of the Radboud Faces Database", Cognition and
# Emotion 2010: 67 people, each with 8 expressions, 3 directions of gaze and 5 cameras.
N_OF_CLASS = 67 * len(GAZES)
N_FOLDS = 10
_PERSON = 26_000  # the first person drawn here


def write_rafd(folder: Path, drawn: DrawnSet) -> None:
    """Write each expression of some people, the first one with another gaze and camera too."""
    wanted = [
        (f"{1 + number:02}_Caucasian_{('female', 'male')[number % 2]}_{spelling}", number, spelling)
        for number in range(drawn.people)
        for spelling in SPELLINGS
    ]
    portraits = [Portrait(canonical(spelling), _PERSON + number) for _, number, spelling in wanted]
    for (name, number, _), (picture,) in zip(wanted, drawn.draw(portraits), strict=True):
        picture.save(folder / f"Rafd{FRONTAL}_{name}_frontal.jpg", quality=94)
        if not number:
            picture.save(folder / f"Rafd{FRONTAL}_{name}_left.jpg", quality=80)
            picture.save(folder / f"Rafd045_{name}_frontal.jpg", quality=80)


@register_adapter(
    "rafd",
    "RaFD/Rafd090_01_Caucasian_female_angry_frontal.jpg: camera (000 to 180), number, group, "
    "gender, expression and gaze of a person",
    counts={"all": dict.fromkeys(map(canonical, SPELLINGS), N_OF_CLASS)},
    write=write_rafd,
    home="RaFD",
)
def read_rafd(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the faces seen straight, people as groups, in ten folds.

    data: the folder that holds RaFD, or RaFD itself. The three directions of gaze are one person's.
    Raises DataError where no name is RaFD's, or all are of other cameras.
    """
    root, named, remarks = find_named("rafd", data, ROOTS, NAME)
    seen = [(path, match) for path, match in named if match[1] == FRONTAL]
    if not seen:
        raise DataError(
            f"{root} holds RaFD from the side alone: expected names as Rafd{FRONTAL}_..."
        )
    # With the group, so that copies that number people anew in each group keep them apart.
    found = [(path, canonical(m[4]), f"{m[3].lower()} {int(m[2])}") for path, m in seen]
    return subject_table("rafd", found, N_FOLDS, remarks)
