"""Photographs to aligned faces, in the same folders below another one."""

from pathlib import Path

from PIL import Image

from fewshot_fer.data.listing import folders_in, images_in
from fewshot_fer.errors import DataError
from fewshot_fer.faces.alignment import align
from fewshot_fer.faces.detector import FaceDetector
from fewshot_fer.pictures import read_picture
from fewshot_fer.preparing.films import QUALITY
from fewshot_fer.preparing.settings import PrepareVerb
from fewshot_fer.runs import Row


def find_photographs(root: Path) -> list[Path]:
    """Return all pictures below a folder, in natural order; links to folders are not followed.

    Raises DataError where there are none.
    """
    found: list[Path] = []
    waiting = [root]
    while waiting:
        folder = waiting.pop(0)
        found += images_in(folder)
        waiting += [below for below in folders_in(folder) if not below.is_symlink()]
    if not found:
        raise DataError(f"no pictures in {root} or in the folders below it")
    return found


def prepare_photograph(
    photograph: Path, target: Path, detector: FaceDetector, settings: PrepareVerb
) -> Row:
    """Write the largest face of a picture to `target`, or all, numbered from the second on as
    `name_2.jpg`; return its figures."""
    try:
        picture = read_picture(photograph)
    except DataError as error:
        return _row(0, 0) | {"status": "unreadable", "frames": 0, "reason": str(error)}
    faces = detector.detect([picture])[0]
    taken = faces if settings.faces == "all" else faces[:1]
    target.parent.mkdir(parents=True, exist_ok=True)
    for number, face in enumerate(taken):
        name = target.name if number == 0 else f"{target.stem}_{number + 1}.jpg"
        partial = target.with_name(f".{name}.partial")
        aligned = Image.fromarray(align(picture, face.points, settings.size))
        aligned.save(partial, format="JPEG", quality=QUALITY, subsampling=0)
        partial.replace(target.with_name(name))
    return _row(len(faces), len(taken)) | {"status": "ok" if taken else "no_face"}


def _row(faces: int, kept: int) -> Row:
    return {
        "frames": 1,
        "faces": faces,
        "kept": kept,
        "no_face": int(faces == 0),
        "other_face": faces - kept,
        "no_face_frames": "",
        "other_face_frames": "",
        "reason": "",
    }
