"""Turn clips into folders of aligned faces, one a frame."""

import itertools
import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

import numpy as np
from PIL import Image

from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.adapters.afew import CLASSES, SPLITS
from fewshot_fer.data.faces.detector import Face, FaceDetector, Pixels, align
from fewshot_fer.data.faces.video import persistent, read_frames
from fewshot_fer.data.labels import BASIC, canonical
from fewshot_fer.data.listing import (
    VIDEO_ENDINGS,
    child,
    contents,
    folders_in,
    images_in,
    left_out_remarks,
    walk_images,
)
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row, atomic_folder

FRAMES_AT_A_TIME = 16
QUALITY = 95  # of the JPEGs written
log = logging.getLogger("fewshot_fer")
LAYOUT = "Train_AFEW/<Class>/<9-digit clip>.avi and Val_AFEW/<Class>/<9-digit clip>.avi"


@dataclass
class _Seen:
    """What the frames of a clip show: each frame's faces, the aligned ones, and a small copy of
    frames that show none."""

    faces: list[list[Face]] = field(default_factory=list)
    aligned: list[list[Pixels]] = field(default_factory=list)
    copies: list[Pixels | None] = field(default_factory=list)
    broken: str = ""  # why the clip could not be read to its end


def find_films(root: Path) -> list[Path]:
    """Return the videos of all classes and splits, in natural order.

    Raises DataError where there are none, or where a class has a name that AFEW's have not.
    """
    tops = [top for name in ("AFEW", "EmotiW") if (top := child(root, name))] + [root]
    for top in tops:
        splits = [found for names in SPLITS.values() if (found := child(top, *names))]
        left_out: Counter[str] = Counter()
        films = [film for split in splits for film in _of_split(split, left_out)]
        for remark in left_out_remarks(left_out, top):
            log.info("%s", remark)
        if films:
            return films
    raise DataError(f"no clips in {root}: expected {LAYOUT}; found {contents(root)}")


def _of_split(split: Path, left_out: Counter[str]) -> Iterator[Path]:
    within = child(split, split.name) or split  # some archives hold the folder in itself
    for of_class in folders_in(within):
        films = images_in(of_class, VIDEO_ENDINGS, left_out)
        if films and canonical(of_class.name) not in BASIC:
            raise DataError(f"{of_class} is not a class of AFEW: expected {CLASSES}")
        yield from films


def find_videos(root: Path) -> list[Path]:
    """Return all videos below a folder, in natural order; links to folders are not followed.

    Raises DataError where there are none.
    """
    left_out: Counter[str] = Counter()
    found = walk_images(root, VIDEO_ENDINGS, left_out)
    if not found:
        raise DataError(f"no videos in {root} or in the folders below it: found {contents(root)}")
    for remark in left_out_remarks(left_out, root):
        log.info("%s", remark)
    return found


def prepare_film(film: Path, target: Path, detector: FaceDetector, settings: PrepareVerb) -> Row:
    """Write a clip's faces to the folder `target`, whole or not at all; return its figures.

    Frames are numbered from 1 as they are looked at. Those without the clip's face are written
    small as `<number>_noface.jpg`, which the adapter counts and leaves out.
    """
    seen = _look(film, detector, settings)
    if not seen.faces:
        shutil.rmtree(target, ignore_errors=True)
        return _row(seen, set()) | {"status": "unreadable", "reason": seen.broken}
    track = persistent(seen.faces)
    places = {} if track is None else track.places
    for torn in target.parent.glob(f".{escape(target.name)}.*"):  # of a start that was killed
        shutil.rmtree(torn)
    with atomic_folder(target) as partial:
        for number, (aligned, copy) in enumerate(zip(seen.aligned, seen.copies, strict=True)):
            name = f"{number + 1:03}"
            if number in places:
                _save(aligned[places[number]], partial / f"{name}.jpg")
            else:
                _save(aligned[0] if copy is None else copy, partial / f"{name}_noface.jpg")
        shutil.rmtree(target, ignore_errors=True)  # of an earlier start
    status = "truncated" if seen.broken else "ok" if places else "no_face"
    kept = [seen.faces[number][place].remark for number, place in places.items()]
    small = next(filter(None, kept), "") if 2 * sum(map(bool, kept)) > len(kept) else ""
    return _row(seen, set(places)) | {"status": status, "reason": seen.broken or small}


def _look(film: Path, detector: FaceDetector, settings: PrepareVerb) -> _Seen:
    seen, frames = _Seen(), read_frames(film, settings.fps)
    while True:
        block: list[Pixels] = []
        try:
            for frame in itertools.islice(frames, FRAMES_AT_A_TIME):
                block.append(frame.pixels)
        except DataError as error:
            seen.broken = str(error)
        for pixels, faces in zip(block, detector.detect(block) if block else [], strict=True):
            seen.faces.append(faces)
            seen.aligned.append([align(pixels, face.points, settings.size) for face in faces])
            seen.copies.append(None if faces else _small(pixels, settings.size))
        if len(block) < FRAMES_AT_A_TIME:
            return seen


def _small(picture: Pixels, size: int) -> Pixels:
    copy = Image.fromarray(picture)
    copy.thumbnail((size, size))
    return np.asarray(copy)


def _save(picture: Pixels, path: Path) -> None:
    Image.fromarray(picture).save(path, quality=QUALITY, subsampling=0)


def _row(seen: _Seen, kept: set[int]) -> Row:
    """Return the figures of a clip of which the frames `kept` were written."""
    none = [number + 1 for number, faces in enumerate(seen.faces) if not faces]
    other = [n + 1 for n, faces in enumerate(seen.faces) if faces and n not in kept]
    return {
        "frames": len(seen.faces),
        "faces": len(seen.faces) - len(none),
        "kept": len(kept),
        "no_face": len(none),
        "other_face": len(other),
        "no_face_frames": " ".join(map(str, none)),
        "other_face_frames": " ".join(map(str, other)),
    }
