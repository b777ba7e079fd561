"""Read JAFFE: a flat folder of photographs whose names tell subject and class, KA.AN1.39.tiff."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.listing import images_in, left_out_remarks, possible_roots
from fewshot_fer.data.splits import fold_splits
from fewshot_fer.data.table import make_table
from fewshot_fer.system.files import Row

ROOTS = ("jaffe", "jaffedbase", "jaffeimages")
NAME = re.compile(r"([A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)([0-9]+)\.([0-9]+)\.", re.IGNORECASE)
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
    roots = possible_roots(data.absolute(), ROOTS)
    for root in roots:
        left_out: Counter[str] = Counter()
        named = [(path, NAME.match(path.name)) for path in images_in(root, left_out=left_out)]
        rows: list[Row] = [
            {"path": str(path), "label": CODES[found[2].upper()], "group": found[1].upper()}
            for path, found in named
            if found
        ]
        if rows:
            folds = fold_splits([str(row["group"]) for row in rows], N_FOLDS)
            whole = [
                row | {"split": fold, "dataset": "jaffe"}
                for row, fold in zip(rows, folds, strict=True)
            ]
            strangers = [path.name for path, found in named if not found]
            remarks = [f"{root}: left out, as no names of JAFFE's: {', '.join(strangers[:3])}"]
            return make_table(
                whole, remarks=[*left_out_remarks(left_out, root), *remarks[: len(strangers)]]
            )
    raise find_adapter("jaffe").not_found(data, roots[0])
