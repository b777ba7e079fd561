"""Read the lists of AffectNet's release, a face a line: training.csv and validation.csv."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fewshot_fer.data.adapters.face_boxes import face_in, without_repeats
from fewshot_fer.data.listing import child, contents, folders_in
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row
from fewshot_fer.system.progress import tqdm

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""The id of a class is its position; 8 is none, 9 uncertain, 10 no face."""
N_IDS = 11
LISTS = {
    "train": ("training.csv", "Manually_training.csv"),
    "val": ("validation.csv", "Manually_validation.csv"),
}
LIST_FOLDERS = ("Manually_Annotated_file_lists",)
IMAGE_FOLDERS = ("Manually_Annotated_Images", "Manually_Annotated_compressed", "Manually_Annotated")
COLUMNS = (  # of a list without a header too
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
    *("facial_landmarks", "expression", "valence", "arousal"),
)
NEEDED = (*COLUMNS[:5], "expression")
NAME = re.compile(r"[^/\\]+[/\\][^/\\]+\.[A-Za-z]+")
SHARE = 1000  # one line in so many may be damaged


class Listed(NamedTuple):
    """A face. box: left, top, right, bottom, in pixels; number: of its line, from 1."""

    folder: str
    name: str
    box: tuple[int, int, int, int]
    label: str
    number: int


def listed_rows(roots: Sequence[Path]) -> tuple[list[Row], list[str]] | None:
    """Return a row for each face of the eight classes and what to say of others, None without
    lists.

    Raises DataError where photographs are missing, and naming the line where many are damaged; the
    one damaged line of the release is left out.
    """
    lists = {split: file for split in LISTS if (file := _find_list(roots, split))}
    if not lists:
        return None
    rows: list[Row] = []
    said = []
    for split, file in lists.items():
        faces, remarks = _read(file)
        paths = _paths(faces, file, roots)
        rows += [
            {"path": path, "label": face.label, "split": split}
            for face, path in zip(faces, paths, strict=True)
        ]
        said += remarks
    kept, repeats = without_repeats(rows, "affectnet")
    return kept, [*said, *repeats]


def _find_list(roots: Sequence[Path], split: str) -> Path | None:
    for root in roots:
        for folder in (child(root, *LIST_FOLDERS), root):
            file = folder and child(folder, *LISTS[split])
            if file and _columns(file):
                return file
    return None


def _columns(file: Path) -> dict[str, int]:
    """Return column -> place where a file's first line is a header of AffectNet's, or a face
    already; nothing for another file."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        first = [
            cell.strip().casefold() for cell in next(csv.reader([stream.readline(100_000)]), [])
        ]
    places = {name: first.index(name.casefold()) for name in NEEDED if name.casefold() in first}
    if len(places) == len(NEEDED):
        return places
    if len(first) == len(COLUMNS) and NAME.fullmatch(first[0]):
        return {name: COLUMNS.index(name) for name in NEEDED}
    return {}


def _read(file: Path) -> tuple[list[Listed], list[str]]:
    """Return the faces of the eight classes, and what to say of other lines."""
    places = _columns(file)
    faces: list[Listed] = []
    damaged: list[int] = []
    without = total = 0
    for number, cells in _lines(file):
        if number == 1 and cells[0].strip().casefold() == NEEDED[0].casefold():
            continue
        total += 1
        expression, face = _face(cells, places, number)
        if expression is not None and expression >= len(CLASSES):
            without += 1
        elif face:
            faces.append(face)
        else:
            damaged.append(number)
    if len(damaged) > max(1, total // SHARE):
        raise DataError(
            f"{file}: {len(damaged)} of {total} lines are damaged, line {damaged[0]} first: "
            f"expected {','.join(NEEDED)}, a box of pixels and an expression 0..{N_IDS - 1}; the "
            f"published list has one damaged line"
        )
    said = [f"{file}: {without} face(s) without an expression (ids 8..10) left out"] * bool(without)
    if damaged:
        said.append(f"{file}: {len(damaged)} damaged line(s) left out, line {damaged[0]} first")
    return faces, said


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line that is not empty."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            bar = tqdm(stream, f"reading {file.name}", unit="line", disable=None, delay=2)
            for number, line in enumerate(bar, start=1):
                if line.strip():
                    # The release has no quotes; of 400 MB a reader of CSV would take twice as long.
                    yield number, next(csv.reader([line])) if '"' in line else line.split(",")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV: {error}") from error


def _face(
    cells: Sequence[str], places: dict[str, int], number: int
) -> tuple[int | None, Listed | None]:
    """Return the expression and the face of a line, None for what cannot be read."""
    try:
        expression = int(cells[places["expression"]])
        if not 0 <= expression < N_IDS:
            return None, None
        if expression >= len(CLASSES):
            return expression, None
        left, top, width, height = (round(float(cells[places[name]])) for name in NEEDED[1:5])
    except (ValueError, IndexError, OverflowError):
        return None, None
    name = cells[places[NEEDED[0]]].strip().replace("\\", "/")
    box = left, top, left + width, top + height
    if not NAME.fullmatch(name) or ".." in name or face_in("", box) is None:
        return expression, None
    folder, _, file = name.partition("/")
    return expression, Listed(folder, file, box, CLASSES[expression], number)


def _paths(faces: Sequence[Listed], file: Path, roots: Sequence[Path]) -> list[str]:
    """Return the name of each face in its photograph. Raises DataError where any are missing.

    Each folder of photographs is listed once.
    """
    images = _image_folder({face.folder for face in faces}, file, roots)
    there: dict[str, dict[str, str]] = {}
    paths: list[str] = []
    missing: list[Listed] = []
    for face in faces:
        if face.folder not in there:
            there[face.folder] = _names_in(images / face.folder)
        name = there[face.folder].get(face.name.casefold())
        path = name and face_in(f"{images}/{face.folder}/{name}", face.box)
        if path:
            paths.append(path)
        else:
            missing.append(face)
    if missing:
        first = missing[0]
        raise DataError(
            f"{len(missing)} of the {len(faces)} photographs that {file} lists are missing from "
            f"{images}: the first is {first.folder}/{first.name}, on line {first.number}; found "
            f"there: {contents(images)}"
        )
    return paths


def _image_folder(folders: set[str], file: Path, roots: Sequence[Path]) -> Path:
    """Return the folder of photographs that has most of the folders of a list.

    Raises DataError where none has any.
    """
    outer = [found for root in roots if (found := child(root, *IMAGE_FOLDERS))]
    inner = [found for root in outer if (found := child(root, *IMAGE_FOLDERS))]
    candidates = [*inner, *outer, *roots]
    counts = [len(folders & {each.name for each in folders_in(one)}) for one in candidates]
    if not any(counts):
        raise DataError(
            f"the photographs that {file} lists are not there: expected "
            f"{roots[0]}/{IMAGE_FOLDERS[0]}/{min(folders, default='1')}/, found in "
            f"{candidates[0]}: {contents(candidates[0])}"
        )
    return candidates[counts.index(max(counts))]


def _names_in(folder: Path) -> dict[str, str]:
    try:
        return {name.casefold(): name for name in os.listdir(folder)}  # noqa: PTH208
    except OSError:
        return {}
