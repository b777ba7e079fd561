"""Read KDEF: photographs whose names tell session, subject, expression and angle, AF01AFS.JPG."""

import re
from pathlib import Path

import pandas as pd
from PIL import Image

from fewshot_fer.data.adapters.named_pictures import find_named, subject_table
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, register_adapter
from fewshot_fer.system.errors import DataError

ROOTS = ("KDEF_and_AKDEF", "KDEF")
NAME = re.compile(
    r"([AB])([FM])(0[1-9]|[12][0-9]|3[0-5])(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)", re.IGNORECASE
)
CODES = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
FRONTAL = ("S",)
ANGLES = ("FL", "HL", "S", "HR", "FR")  # full left, half left, straight, half right, full right
N_FOLDS = 10  # of seven subjects each
# Lundqvist, Flykt and Öhman, "The Karolinska Directed Emotional Faces", 1998: 70 people, each
# with 7 expressions from 5 angles, in 2 sessions.
N_OF_CLASS = 70 * 2
LAYOUT = (
    "KDEF_and_AKDEF/KDEF/AF01/AF01AFS.JPG: session A or B, F or M and number of the subject, "
    "class (AF AN DI HA NE SA SU), angle (FL HL S HR FR)"
)
DIFFERS = "the copy may be incomplete; two files of the release have no code of class and angle"
_PERSON = 21_000  # the first person drawn here


def write_kdef(folder: Path, drawn: DrawnSet) -> None:
    """Write both sessions of some people, straight, and the first one half from the left too."""
    subjects = [f"{'FM'[n % 2]}{n // 2 + 1:02}" for n in range(drawn.people)]
    wanted = [
        (f"{'AB'[take]}{subject}", code, Portrait(label, _PERSON + number, take=take))
        for number, subject in enumerate(subjects)
        for take in range(2)
        for code, label in CODES.items()
    ]
    pictures = drawn.draw([portrait for *_, portrait in wanted])
    for (person, code, portrait), (picture,) in zip(wanted, pictures, strict=True):
        own = folder / "KDEF" / person
        own.mkdir(parents=True, exist_ok=True)
        picture.save(own / f"{person}{code}S.JPG", quality=94)
        if not portrait.take:
            turned = picture.resize((picture.width * 3 // 4, picture.height))
            turned.save(own / f"{person}{code}HL.JPG", quality=94)
    (folder / "AKDEF").mkdir()
    first, other = (pictures[number][0] for number in (0, 2 * len(CODES)))
    Image.blend(first, other, 0.5).save(folder / "AKDEF/AFAFS.JPG")


@register_adapter(
    "kdef",
    LAYOUT,
    counts={"all": dict.fromkeys(CODES.values(), N_OF_CLASS)},
    differs=DIFFERS,
    write=write_kdef,
    home="KDEF_and_AKDEF",
)
def read_kdef(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the faces seen straight, subjects as groups, in ten folds.

    data: the folder that holds KDEF, or KDEF itself, by subject or flat. Both sessions of a person
    are one subject. The averaged faces of AKDEF have other names and are left out. Raises DataError
    where no name is KDEF's.
    """
    return _read("kdef", data, FRONTAL)


@register_adapter(
    "kdef_all",
    LAYOUT,
    counts={"all": dict.fromkeys(CODES.values(), N_OF_CLASS * len(ANGLES))},
    differs=DIFFERS,
    write=write_kdef,
    home="KDEF_and_AKDEF",
)
def read_kdef_all(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the faces from all five angles, else as `read_kdef` does."""
    return _read("kdef_all", data, ANGLES)


def _read(data_set: str, data: Path, angles: tuple[str, ...]) -> pd.DataFrame:
    root, named, remarks = find_named(data_set, data, ROOTS, NAME)
    seen = [(path, match) for path, match in named if match[5].upper() in angles]
    if not seen:
        raise DataError(
            f"{root} holds KDEF seen from the side alone: expected names with S at the end, as "
            f"AF01AFS.JPG; take all angles with dataset=kdef_all"
        )
    found = [(path, CODES[m[4].upper()], m[2].upper() + m[3]) for path, m in seen]
    return subject_table(data_set, found, N_FOLDS, remarks)
