"""Read FER2013: the list of pixels fer2013.csv, or folders of pictures by split and class.

Goodfellow et al., "Challenges in representation learning", ICONIP 2013: 48x48 grey pictures.
"""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.decode import look_at_header
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import (
    child,
    contents,
    folders_in,
    image_names_in,
    left_out_remarks,
    nested_roots,
)
from fewshot_fer.data.splits import SPLITS
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("fer2013", "FER-2013", "FER_2013", "archive", "images")
LISTS = ("fer2013.csv", "icml_face_data.csv")
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The id of a class is its position."""
COLUMNS = ("emotion", "pixels", "usage")
USAGES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
SIDE = 48  # pixels
NAME = re.compile(r"(Training|PublicTest|PrivateTest)_[0-9]+\.", re.IGNORECASE)
OF_OTHERS = re.compile(r"S[0-9]{3}_|fer[0-9]{7}\.", re.IGNORECASE)  # CK+48, FER+
# The paper's 4953, 547, 5121, 8989, 6077, 4002, 6198 are the sums of the three.
COUNTS = {
    "train": dict(zip(CLASSES, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True)),
    "val": dict(zip(CLASSES, (467, 56, 496, 895, 653, 415, 607), strict=True)),
    "test": dict(zip(CLASSES, (491, 55, 528, 879, 594, 416, 626), strict=True)),
}


class DrawnRow(NamedTuple):
    """A row to draw. portrait: None for a black picture, as some of FER2013 are."""

    usage: str
    emotion: int
    portrait: Portrait | None


def drawn_rows(people: int) -> list[DrawnRow]:
    """Return the rows of the drawn list: for each split and person every class, and besides what
    FER+ names otherwise: contempt, surprise with fear, an unclear face and a black picture."""
    rows = []
    for place, usage in enumerate(USAGES.values()):
        for person in range(2000 + 100 * place, 2000 + 100 * place + people):
            rows += [
                DrawnRow(usage, number, Portrait(label, person))
                for number, label in enumerate(CLASSES)
            ]
            rows.append(DrawnRow(usage, CLASSES.index("neutral"), Portrait("contempt", person)))
            mixed = Portrait("fearfully surprised", person)
            rows.append(DrawnRow(usage, CLASSES.index("surprise"), mixed))
    unclear = DrawnRow("Training", CLASSES.index("sadness"), Portrait("sadness", 2000, take=1))
    return [unclear, DrawnRow("Training", CLASSES.index("fear"), None), *rows]


def drawn_pictures(rows: list[DrawnRow], drawn: DrawnSet) -> list[Image.Image]:
    """Return the picture of each row, grey, 48 pixels a side."""
    portraits = [row.portrait for row in rows if row.portrait]
    faces = iter(drawn.draw(portraits))
    black = Image.new("L", (SIDE, SIDE))
    return [next(faces)[0].convert("L").resize(black.size) if r.portrait else black for r in rows]


def write_fer2013(folder: Path, drawn: DrawnSet) -> None:
    """Write fer2013.csv as published: emotion, the 2304 grey levels, Usage."""
    rows = drawn_rows(drawn.people)
    with (folder / LISTS[0]).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["emotion", "pixels", "Usage"])
        for row, picture in zip(rows, drawn_pictures(rows, drawn), strict=True):
            levels = " ".join(map(str, np.asarray(picture).ravel()))
            writer.writerow([row.emotion, levels, row.usage])


@register_adapter(
    "fer2013",
    "fer2013/fer2013.csv (or icml_face_data.csv) with the columns emotion,pixels,Usage, or "
    "train/<class>/*.jpg and test/<class>/*.jpg of 48x48 pixels",
    counts=COUNTS,
    differs="the copy may be incomplete, or augmented, or keep no validation split",
    write=write_fer2013,
    home="FER2013",
)
def read_fer2013(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all pictures, splits train, val (PublicTest) and test (PrivateTest).

    data: the folder that holds FER2013, or FER2013 itself. Pictures in a list are rows of it, see
    `picture_parts`. Raises DataError where nothing is found, or naming file and line.
    """
    roots = nested_roots(data.absolute(), ROOTS)
    for root in roots:
        if file := find_pixel_list(root):
            return make_table(_listed_rows(file))
    for root in roots:
        if root.is_dir() and (splits := _split_folders(root)):
            left_out: Counter[str] = Counter()
            rows, said = _folder_rows(splits, left_out)
            return make_table(rows, remarks=[*left_out_remarks(left_out, root), *said])
    raise find_adapter("fer2013").not_found(data, roots[0])


def find_pixel_list(root: Path) -> Path | None:
    """Return the list right in a folder, or in one of its own name, as some systems unpack it."""
    file = child(root, *LISTS)
    return child(file, *LISTS) if file and file.is_dir() else file


def read_pixel_list(file: Path) -> pd.DataFrame:
    """Return columns label, split and row, the line in the file, of each picture of a list.

    The columns may stand in any order and be spelled as in icml_face_data.csv, " pixels"; the
    pixels are not read. Raises DataError naming file and line.
    """
    names = _header(file)
    taken = [names.index("emotion"), names.index("usage")]
    try:
        cells = pd.read_csv(
            file,
            usecols=taken,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{file} cannot be read as CSV: {' '.join(str(error).split())}") from error
    cells.columns = pd.Index([names[place] for place in sorted(taken)])
    cells = cells.fillna("").apply(lambda column: column.str.strip())
    listed = pd.DataFrame({"row": np.arange(2, len(cells) + 2)})
    labels = {cell: _class_of(cell) for cell in cells["emotion"].unique()}
    listed["label"] = cells["emotion"].map(labels)
    splits = {cell: SPLITS.get(cell.casefold()) for cell in cells["usage"].unique()}
    listed["split"] = cells["usage"].map(splits)
    filled = (cells != "").any(axis=1)
    wrong = listed[filled & (listed["label"].isna() | listed["split"].isna())]
    if not wrong.empty:
        row = wrong.index[0]
        raise DataError(
            f"{file}, line {row + 2}: emotion {cells['emotion'][row][:40]!r} and Usage "
            f"{cells['usage'][row][:40]!r}: expected an id 0..6 and Training, PublicTest or "
            f"PrivateTest; the file may be cut off there"
        )
    kept: pd.DataFrame = listed[filled].reset_index(drop=True)
    return kept


def _header(file: Path) -> list[str]:
    """Return the names of the columns, folded. Raises DataError where one is missing."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline(10_000)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    names = [name.strip().casefold() for name in next(csv.reader([first]), [])]
    if missing := [name for name in COLUMNS if name not in names]:
        raise DataError(
            f"{file} has no column {', '.join(missing)}: its first line must name "
            f"emotion,pixels,Usage; found: {first.strip()[:80]!r}"
        )
    return names


def _class_of(cell: str) -> str | None:
    """Return the class of an id 0..6 or of a name; None for another one."""
    if cell.isdecimal():
        return CLASSES[int(cell)] if len(cell) == 1 and int(cell) < len(CLASSES) else None
    name = canonical(cell)
    return name if name in CLASSES else None


def _listed_rows(file: Path) -> list[Row]:
    listed = read_pixel_list(file)
    if listed.empty:
        raise DataError(
            f"{file} lists no picture: expected lines such as '0,70 80 82 ...,Training'"
        )
    return [
        {"path": f"{file}#row={row}", "label": label, "split": split, "dataset": "fer2013"}
        for row, label, split in listed[["row", "label", "split"]].itertuples(index=False)
    ]


def _split_folders(root: Path) -> dict[Path, str]:
    """Return folder -> split where these hold FER2013's classes, else nothing.

    Other data sets lie in the same way: the first picture must bear a name of FER2013's or be of
    48x48 pixels.
    """
    splits = {each: SPLITS[n] for each in folders_in(root) if (n := each.name.casefold()) in SPLITS}
    classes = [folder for split in splits for folder in folders_in(split)]
    found = ((folder, min(image_names_in(folder), default="")) for folder in classes)
    folder, first = next(((each, name) for each, name in found if name), (root, ""))
    if not first or OF_OTHERS.match(first):
        return {}
    try:
        fits = NAME.match(first) or look_at_header(folder / first)[:2] == (SIDE, SIDE)
    except Exception:  # Pillow has no one class for what it meets; what is damaged is no mark
        fits = False
    return splits if fits else {}


def _folder_rows(splits: dict[Path, str], left_out: Counter[str]) -> tuple[list[Row], list[str]]:
    """Return rows for <split>/<class>/*, and what to say of them.

    A copy with one folder `test` for both tests has the official split in the files' names. Raises
    DataError for an unknown class or one without pictures.
    """
    rows: list[Row] = []
    public: list[Row] = []
    for folder, split in splits.items():
        both = split == "test" and "val" not in splits.values()
        for of_class in folders_in(folder):
            label, names = _class_of(of_class.name), image_names_in(of_class, left_out=left_out)
            if label is None:
                raise DataError(
                    f"{of_class} is not a class of FER2013: expected {', '.join(CLASSES)} or an "
                    f"id 0..6"
                )
            if not names:
                raise DataError(f"no picture in {of_class} ({contents(of_class)})")
            spelling = label if of_class.name.isdecimal() else of_class.name
            common = {"label": label, "spelling": spelling, "dataset": "fer2013"}
            for name in names:
                is_public = both and name.casefold().startswith("publictest_")
                row = {"path": f"{of_class}/{name}", "split": "val" if is_public else split}
                (public if is_public else rows).append({**row, **common})
    said = [f"fer2013: {len(public)} picture(s) PublicTest_* of the folder test are the split val"]
    return rows + public, said * bool(public)
