"""Read JAFFE: a flat folder of photographs whose names tell subject and class, KA.AN1.39.tiff."""

import re
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.named_pictures import find_named, subject_table
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, register_adapter

ROOTS = ("jaffe", "jaffedbase", "jaffeimages", "jaffe_dataset")
NAME = re.compile(  # a copy in another format may keep .tiff in its name
    r"([A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)([0-9]+)\.([0-9]+)\.?(?:\.tiff?)?", re.IGNORECASE
)
CODES = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
COUNTS = dict(zip(CODES.values(), (30, 29, 32, 31, 30, 31, 30), strict=True))
N_FOLDS = 10  # one a subject
SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")


def write_jaffe(folder: Path, drawn: DrawnSet) -> None:
    """Write a picture of each class for some subjects, in grey TIFF as JAFFE's are."""
    wanted = [
        (f"{subject}.{code}1.{number * len(CODES) + place + 1}.tiff", Portrait(label, 100 + number))
        for number, subject in enumerate(SUBJECTS[: drawn.people])
        for place, (code, label) in enumerate(CODES.items())
    ]
    pictures = drawn.draw([portrait for _, portrait in wanted])
    for (name, _), (picture,) in zip(wanted, pictures, strict=True):
        picture.convert("L").resize((256, 256)).save(folder / name)


@register_adapter(
    "jaffe",
    "jaffe/KA.AN1.39.tiff: subject, class (AN DI FE HA NE SA SU), two numbers",
    counts={"all": COUNTS},
    write=write_jaffe,
    home="jaffe",
)
def read_jaffe(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all photographs, subjects as groups, a fold a subject.

    data: the folder that holds JAFFE, or JAFFE itself. Raises DataError where no name is JAFFE's.
    """
    _, named, remarks = find_named("jaffe", data, ROOTS, NAME)
    found = [(path, CODES[match[2].upper()], match[1].upper()) for path, match in named]
    return subject_table("jaffe", found, N_FOLDS, remarks)
