"""Read FER+, the pictures of FER2013 with the votes of ten people, beside FER2013 or as pictures.

The rules by which votes become a class stand in `vote_list`.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters import fer2013
from fewshot_fer.data.adapters.fer2013 import (
    USAGES,
    drawn_pictures,
    drawn_rows,
    find_pixel_list,
    read_pixel_list,
)
from fewshot_fer.data.adapters.registry import DrawnSet, find_adapter, register_adapter
from fewshot_fer.data.adapters.vote_list import (
    BOX,
    CLASSES,
    COLUMNS,
    Line,
    boxed_as,
    class_of_votes,
    read_votes,
)
from fewshot_fer.data.listing import child, contents, image_names_in, nested_roots
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("FERPlus", "FERPlus-master", "FER+", "data")
FOLDERS = {"train": "FER2013Train", "val": "FER2013Valid", "test": "FER2013Test"}
LIST = "fer2013new.csv"


def write_ferplus(folder: Path, drawn: DrawnSet) -> None:
    """Write the votes beside FER2013's list, and the pictures and lists made of both."""
    rows = drawn_rows(drawn.people)
    listed = []
    for number, (row, picture) in enumerate(zip(rows, drawn_pictures(rows, drawn), strict=True)):
        name = f"fer{number:07}.png" if row.portrait else ""
        votes = _drawn_votes(row.portrait.label if row.portrait else "NF", unclear=number == 0)
        listed.append([row.usage, name, *votes])
        split = next(split for split, usage in USAGES.items() if usage == row.usage)
        of_split = folder / "data" / FOLDERS[split]
        of_split.mkdir(parents=True, exist_ok=True)
        if name:
            picture.save(of_split / name, compress_level=0)
            with (of_split / "label.csv").open("a", encoding="utf-8", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerow([name, BOX, *votes])
    with (folder / LIST).open("w", encoding="utf-8", newline="") as stream:
        header = ["Usage", "Image name", *COLUMNS]
        csv.writer(stream, lineterminator="\n").writerows([header, *listed])


def _drawn_votes(label: str, unclear: bool) -> list[int]:
    """Return ten votes: for the class of a drawn picture, but a few."""
    if unclear:
        share = {"neutral": 4, "sadness": 4, "unknown": 2}
    elif label == "NF":
        share = {"NF": 10}
    elif label in CLASSES:
        share = {label: 8, "unknown": 1, "sadness" if label != "sadness" else "neutral": 1}
    else:
        share = {"surprise": 5, "fear": 4, "neutral": 1}
    return [share.get(name, 0) for name in COLUMNS]


@register_adapter(
    "ferplus",
    "FERPlus/fer2013new.csv beside fer2013.csv, or "
    "FERPlus/data/FER2013{Train,Valid,Test}/label.csv and fer0000000.png",
    write=write_ferplus,
    home="FERPlus",
)
def read_ferplus(data: Path, settings: DatasetConfig) -> pd.DataFrame:
    """Return the FaceTable of all pictures with a class, splits train, val and test.

    data: the folder that holds FER+, or FER+ itself. Raises DataError where the votes or the
    pictures are not found, or naming file and line.
    """
    data = data.absolute()
    roots = nested_roots(data, ROOTS)
    pictures = next((found for root in roots if (found := _pictures_below(root))), [])
    listed = next((file for root in roots if (file := child(root, LIST))), None)
    pixels = next(
        (f for r in [*roots, *nested_roots(data, fer2013.ROOTS)] if (f := find_pixel_list(r))), None
    )
    if pictures and (len(pictures) == len(FOLDERS) or not (listed and pixels)):
        rows, left = _rows(_of_folders(pictures), settings)
    elif listed and pixels:
        rows, left = _rows(_of_pixels(listed, pixels), settings)
    elif listed or any(child(root, name) for root in roots for name in FOLDERS.values()):
        raise DataError(
            f"the votes of FER+ are in {listed or data}, but not the pictures, which are "
            f"FER2013's: put fer2013.csv beside them, or write fer0000000.png and the others into "
            f"{', '.join(FOLDERS.values())} with FER+'s generate_training_data.py"
        )
    else:
        raise find_adapter("ferplus").not_found(data, roots[0])
    if not rows:
        raise DataError(f"no picture of FER+ in {listed or data} has a majority of votes")
    said = f"ferplus: {left} picture(s) left out, without a class by dataset.votes={settings.votes}"
    return make_table(rows, remarks=[said])


def _pictures_below(root: Path) -> list[tuple[str, Path]]:
    """Return split and folder of each of FER+'s three that has a list and pictures."""
    found = [(split, child(root, name)) for split, name in FOLDERS.items()]
    there = [(split, folder) for split, folder in found if folder and child(folder, "label.csv")]
    return [(split, folder) for split, folder in there if image_names_in(folder)]


def _of_folders(folders: Sequence[tuple[str, Path]]) -> Iterator[tuple[Line, str]]:
    """Yield the lines of each folder's list, with the path of the picture.

    Raises DataError where a picture that is listed is not there.
    """
    for split, folder in folders:
        file = child(folder, "label.csv")
        assert file is not None
        there = {name.casefold(): name for name in image_names_in(folder)}
        lines = [*read_votes(file, split)]
        if not lines:
            raise DataError(f"{file} is empty: expected a line of votes for each picture")
        for line in lines:
            name = there.get(line.name.casefold())
            if line.name and name is None:
                raise DataError(
                    f"{line.where}: {line.name} is not in {folder} ({contents(folder)}), where "
                    f"{len(there)} pictures are"
                )
            yield line, boxed_as(line, f"{folder}/{name}")


def _of_pixels(listed: Path, pixels: Path) -> Iterator[tuple[Line, str]]:
    """Yield the lines of fer2013new.csv, each with the row of fer2013.csv that it is about.

    Raises DataError where the two have not the same rows.
    """
    lines, rows = [*read_votes(listed)], read_pixel_list(pixels)
    if len(lines) != len(rows):
        raise DataError(
            f"{listed} has {len(lines)} rows and {pixels} has {len(rows)}: row by row they must be "
            f"about the same pictures; take both as they were published, 35887 rows each"
        )
    for line, split, row in zip(lines, rows["split"], rows["row"], strict=True):
        if line.split != split:
            raise DataError(
                f"{line.where}: a picture of {USAGES[line.split]}, but of {USAGES[split]} in "
                f"{pixels}, line {row}: row by row they must be about the same pictures; take both "
                f"in the order in which they were published"
            )
        yield line, f"{pixels}#row={row}"


def _rows(found: Iterator[tuple[Line, str]], settings: DatasetConfig) -> tuple[list[Row], int]:
    """Return the rows of pictures that have a name and a class, and how many have not."""
    rows: list[Row] = []
    left = 0
    for line, path in found:
        label = class_of_votes(line.votes, settings.votes == "compound") if line.name else None
        left += label is None
        if label:
            rows.append({"path": path, "label": label, "split": line.split, "dataset": "ferplus"})
    return rows, left
