"""Read SFEW 2.0: stills of AFEW's films, <Train|Val>/<Class>/<film>_<time>_<frame>.png."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd
from PIL import Image

from fewshot_fer.data.adapters.named_pictures import SHOWN, nested_roots
from fewshot_fer.data.adapters.registry import DrawnSet, find_adapter, register_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import child, folders_in, images_in, left_out_remarks
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("SFEW", "SFEW_2.0", "SFEW2.0", "SFEW 2.0", "SFEW_2", "SFEW2", "SFEW_2_0", "SFEW-2.0")
WITHIN = ("images",)
SPLITS = {
    "train": ("Train_Aligned_Faces", "Train", "Train_SFEW_2_0", "Train_SFEW"),
    "val": ("Val_Aligned_Faces", "Val_Aligned_Faces_new", "Val", "Val_SFEW_2_0", "Val_SFEW"),
}
"""Faces that are cut out come before whole frames."""
TEST = ("Test_Aligned_Faces", "Test", "Test_SFEW_2_0", "Test_SFEW")
FOLDERS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
CLASSES = tuple(canonical(name) for name in FOLDERS)
# Of each class as papers on SFEW 2.0 have them; they add up to the published 958 and 436.
COUNTS = {
    "train": dict(zip(CLASSES, (178, 66, 98, 198, 150, 172, 96), strict=True)),
    "val": dict(zip(CLASSES, (77, 23, 47, 73, 86, 73, 57), strict=True)),
}
FILM = re.compile(r"(.+)_[0-9]{9}_[0-9]+")


def write_sfew(folder: Path, drawn: DrawnSet) -> None:
    """Write a frame of clips of the drawn AFEW, as SFEW is cut from AFEW."""
    for split, name in (("Train_AFEW", "Train"), ("Val_AFEW", "Val")):
        for of_class in folders_in(drawn.root / "AFEW" / split):
            (folder / name / of_class.name).mkdir(parents=True)
            for number, clip in enumerate(folders_in(of_class)[: drawn.people + 1]):
                frames = images_in(clip)
                seen = [place for place, path in enumerate(frames) if "noface" not in path.name]
                place = seen[len(seen) // 2]
                still = f"{name}Film{number}_{clip.name}_{place + 1:08}.png"
                with Image.open(frames[place]) as picture:
                    picture.save(folder / name / of_class.name / still)


@register_adapter(
    "sfew",
    "SFEW/Train/<Class>/<film>_<9-digit time>_<frame>.png and SFEW/Val/<Class>/...",
    counts=COUNTS,
    differs="the aligned copies lack faces that could not be aligned; or the copy is incomplete",
    write=write_sfew,
    home="SFEW",
)
def read_sfew(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the splits train and val, films as groups.

    data: the folder that holds SFEW, or SFEW itself. Test images have no labels and are left out.
    The same few people are seen in a film, so support and query share no film; an image whose name
    tells no film is its own group. Raises DataError where no such splits are found, and for a
    folder that is no class.
    """
    data = data.absolute()
    roots = nested_roots(data, (*ROOTS, *WITHIN))
    for root in roots:
        splits = {split: _split_folder(root, names) for split, names in SPLITS.items()}
        left_out: Counter[str] = Counter()
        rows = [
            row | {"split": split}
            for split, folder in splits.items()
            if folder
            for row in _rows(folder, left_out)
        ]
        films = [row["group"] for row in rows if row["group"]]
        if rows and (films or _is_called_sfew(root)):
            strangers = [Path(row["path"]).name for row in rows if not row["group"]]
            remarks = [*left_out_remarks(left_out, root), *_remarks(root, splits, strangers)]
            return make_table(rows, apart=("group",), remarks=remarks)
    raise find_adapter("sfew").not_found(data, roots[0])


def _remarks(root: Path, splits: dict[str, Path | None], strangers: list[str]) -> list[str]:
    """Say which copies of the splits are read, what is not, and which images have no film."""
    folders = [folder.relative_to(root) for folder in splits.values() if folder]
    taken = [str(folder) for folder in folders if "aligned" in str(folder).lower()]
    said = [f"{root}: aligned faces are read, {' and '.join(taken)}"] if taken else []
    if test := child(root, *TEST):
        said.append(f"{test}: left out, since SFEW's test images have no labels")
    if strangers:
        shown = ", ".join(strangers[:SHOWN])
        said.append(
            f"{root}: {len(strangers)} images without a film in their names are their own groups: "
            f"{shown} first"
        )
    return said


def _is_called_sfew(root: Path) -> bool:
    names = {name.casefold() for name in ROOTS}
    return any(folder.name.casefold() in names for folder in (root, root.parent))


def _split_folder(root: Path, names: tuple[str, ...]) -> Path | None:
    """Return the folder of a split that holds classes; archives unpack one within another."""
    for folder in nested_roots(root, names)[:-1]:
        if any(canonical(of_class.name) in CLASSES for of_class in folders_in(folder)):
            return folder
    return None


def _rows(split: Path, left_out: Counter[str]) -> list[Row]:
    """Return a row for each picture of a split. Raises DataError for a folder that is no class."""
    rows: list[Row] = []
    for of_class in folders_in(split):
        inner = child(of_class, of_class.name)  # of archives class by class
        images = images_in(of_class, left_out=left_out)
        images = images or (images_in(inner, left_out=left_out) if inner else [])
        label = canonical(of_class.name)
        if images and label not in CLASSES:
            raise DataError(f"{of_class} is not a class of SFEW: expected {', '.join(FOLDERS)}")
        for path in images:
            found = FILM.fullmatch(path.stem)
            row = {"path": str(path), "label": label, "group": found[1] if found else None}
            rows.append(row | {"spelling": of_class.name, "dataset": "sfew"})
    return rows
