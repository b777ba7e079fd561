"""Read ExpW: photographs from the web with boxes of faces, image/origin/ and label/label.lst.

Zhang et al., "From facial expression recognition to interpersonal relation prediction", IJCV 2018.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

from fewshot_fer.data.adapters.face_boxes import face_in, without_repeats
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.labels import plain_name
from fewshot_fer.data.listing import child, contents, image_names_in, nested_roots
from fewshot_fer.data.splits import fold_splits
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row

ROOTS = ("ExpW", "Expression_in-the-Wild", "data")
LIST = "label.lst"
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The id of a class is its position."""
# As often cited; together they are the 91,793 of the publication.
COUNTS = dict(zip(CLASSES, (3671, 3995, 1088, 30537, 10559, 7060, 34883), strict=True))
N_CELLS = 8
N_FOLDS = 5
EXAMPLE = "angry_actor_104.jpg 0 28 113 226 141 22.9362 0"
SPELLED = {"anger": "angry", "happiness": "happy", "sadness": "sad"}  # in names of photographs


class Face(NamedTuple):
    """A line of the list. box: left, top, right, bottom."""

    name: str
    box: tuple[int, int, int, int]
    label: str
    number: int


def write_expw(folder: Path, drawn: DrawnSet) -> None:
    """Write photographs of one face, and of two, and a list that names one face twice."""
    people = range(6000, 6000 + drawn.people + 1)
    portraits = [Portrait(label, person) for person in people for label in CLASSES]
    faces = [pictures[0] for pictures in drawn.draw(portraits)]
    origin = folder / "image" / "origin"
    origin.mkdir(parents=True)
    n_alone = len(faces) - 2 * len(CLASSES)
    photographs = [[number] for number in range(n_alone)]
    for number in range(n_alone, n_alone + len(CLASSES)):
        beside = (number + 1) % len(CLASSES)  # the last person, with another expression
        photographs.append([number, n_alone + len(CLASSES) + beside])
    lines = []
    for number, shown in enumerate(photographs):
        label = portraits[shown[0]].label
        name = f"{SPELLED.get(label, label)}_person_{number}.jpg"
        photograph = Image.new("RGB", (150 * len(shown) + 20, 160), (90, 110, 130))
        for place, face in enumerate(shown):
            left, top = 30 + 150 * place, 20
            photograph.paste(faces[face], (left, top))
            box = f"{top} {left} {left + 100} {top + 100}"
            lines.append(f"{name} {place} {box} {30 + place}.5 {face % len(CLASSES)}")
        photograph.save(origin / name, quality=95)
    (folder / "label").mkdir()
    text = "".join(f"{line}\n" for line in [*lines, lines[0]])
    (folder / "label" / LIST).write_text(text, encoding="utf-8")


@register_adapter(
    "expw",
    "ExpW/image/origin/*.jpg and ExpW/label/label.lst with lines of a name, face_id, top, left, "
    "right, bottom, confidence and class 0..6",
    counts={"all": COUNTS},
    differs="rows that repeat a face count once, or the copy may be incomplete",
    write=write_expw,
    home="ExpW",
)
def read_expw(data: Path) -> pd.DataFrame:
    """Return the FaceTable of all faces, each the part of a photograph within its box.

    The faces of a photograph are one group; five folds keep photographs apart, as there are no
    official splits. data: the folder that holds ExpW, or ExpW itself.
    Raises DataError where the files are not found, or naming file and line.
    """
    roots = nested_roots(data.absolute(), ROOTS)
    file = next((found for root in roots if (found := _below(root, "label", LIST))), None)
    images = next((found for root in roots if (found := _below(root, "image", "origin"))), None)
    if not file or not images:
        raise find_adapter("expw").not_found(data, (file or images or roots[0] / LIST).parent)
    faces = [*_faces(file)]
    photographs = _photographs(faces, file, images)
    rows: list[Row] = []
    empty: list[int] = []
    for face, photograph in zip(faces, photographs, strict=True):
        path = face_in(f"{images}/{photograph}", face.box)
        row = {"path": path, "label": face.label, "group": face.name}
        if path:
            rows.append({**row, "dataset": "expw"})
        else:
            empty.append(face.number)
    kept, said = without_repeats(rows, "expw")
    folds = fold_splits([str(row["group"]) for row in kept], N_FOLDS)
    kept = [{**row, "split": fold} for row, fold in zip(kept, folds, strict=True)]
    if empty:
        said.append(f"{file}: {len(empty)} box(es) without a pixel left out, line {empty[0]} first")
    return make_table(kept, remarks=said)


def _photographs(faces: Sequence[Face], file: Path, images: Path) -> list[str]:
    """Return the name of each face's photograph on disk. Raises DataError where one is missing."""
    if not faces:
        raise DataError(f"{file} lists no face: expected lines such as '{EXAMPLE}'")
    there = {_folded(name): name for name in image_names_in(images)}
    found = [there.get(_folded(face.name)) for face in faces]
    if missing := [face for face, name in zip(faces, found, strict=True) if name is None]:
        raise DataError(
            f"{len(missing)} of the {len(faces)} faces in {file} are in photographs that are not "
            f"in {images}: the first is {missing[0].name}, on line {missing[0].number}; found "
            f"there: {contents(images)}"
        )
    return [name for name in found if name is not None]


def _below(root: Path, folder: str, name: str) -> Path | None:
    """Return <folder>/<name> below a root, or <name> itself, whatever their case."""
    within = child(root, folder, f"{folder}s")
    return (within and child(within, name)) or child(root, name)


def _faces(file: Path) -> Iterator[Face]:
    """Yield the lines of the list. Raises DataError naming file and line."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _face(line, number, file)


def _face(line: str, number: int, file: Path) -> Face:
    cells = line.strip().rsplit(maxsplit=N_CELLS - 1)  # a name may hold blanks
    try:
        name, _, *box, _, label = cells
        top, left, right, bottom = map(int, box)  # in this order, left before right
        place = int(label)
        if place < 0 or "/" in name or "\\" in name:
            raise ValueError
        return Face(name, (left, top, right, bottom), CLASSES[place], number)
    except (ValueError, IndexError) as error:
        raise DataError(
            f"{file}, line {number}: {line.strip()[:80]!r} is not a line of ExpW: expected name, "
            f"face_id, top, left, right, bottom, confidence and a class 0..6, as in "
            f"'{EXAMPLE}'"
        ) from error


def _folded(name: str) -> str:
    return plain_name(name).casefold()
