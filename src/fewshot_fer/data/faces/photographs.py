"""Turn photographs into aligned faces, a file each."""

import logging
from collections import Counter
from pathlib import Path

from PIL import Image

from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.decode import read_picture
from fewshot_fer.data.faces.clips import QUALITY
from fewshot_fer.data.faces.detector import FaceDetector, Pixels, align
from fewshot_fer.data.listing import folders_in, images_in, left_out_remarks
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row, atomic

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP"}
FORMATS |= {".tif": "TIFF", ".tiff": "TIFF"}
"""What a face that keeps its photograph's name is written as, by its ending."""
log = logging.getLogger("fewshot_fer")


def find_photographs(root: Path) -> list[Path]:
    """Return all pictures below a folder, in natural order; links to folders are not followed.

    Raises DataError where there are none.
    """
    found: list[Path] = []
    left_out: Counter[str] = Counter()
    waiting = [root]
    while waiting:
        folder = waiting.pop(0)
        found += images_in(folder, left_out=left_out)
        waiting += [below for below in folders_in(folder) if not below.is_symlink()]
    for remark in left_out_remarks(left_out, root):
        log.info("%s", remark)
    if not found:
        raise DataError(f"no pictures in {root} or in the folders below it")
    return found


def face_file(photograph: Path, source: str, names: str) -> Path:
    """Return where a photograph's face goes, below the folder that is written.

    source: its path below the folder that is read; names: `whole` puts .jpg behind, so that a.png
    and a.jpg stay apart, `same` keeps it as lists of labels have it. Raises DataError for an ending
    that a face cannot keep.
    """
    if names == "whole":
        return Path(f"{source}.jpg")
    if photograph.suffix.lower() not in FORMATS:
        raise DataError(
            f"{photograph}: with names=same a face is written as {', '.join(FORMATS)}, as its "
            f"photograph's name ends: rename it, or give names=whole"
        )
    return Path(source)


def prepare_photograph(
    photograph: Path, target: Path, detector: FaceDetector, settings: PrepareVerb
) -> Row:
    """Write the largest face of a picture to `target`, or all, and return its figures.

    Further faces are numbered: of a.png.jpg, the second one lies in a.png_2.jpg.
    """
    try:
        picture = read_picture(photograph)
    except DataError as error:
        return _row(0, 0) | {"status": "unreadable", "frames": 0, "reason": str(error)}
    faces = detector.detect([picture])[0]
    taken = faces if settings.faces == "all" else faces[:1]
    target.parent.mkdir(parents=True, exist_ok=True)
    for number, face in enumerate(taken):
        name = target.name if number == 0 else f"{target.stem}_{number + 1}.jpg"
        _write(align(picture, face.points, settings.size), target.with_name(name))
    status, remarks = "ok" if taken else "no_face", filter(None, (face.remark for face in taken))
    return _row(len(faces), len(taken)) | {"status": status, "reason": next(remarks, "")}


def _write(face: Pixels, file: Path) -> None:
    """Write a face in the format of its file's ending."""
    kind = FORMATS[file.suffix.lower()]
    how = {"quality": QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    with atomic(file) as partial:
        Image.fromarray(face).save(partial, format=kind, **how)


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
