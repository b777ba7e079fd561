"""Faults of data sets in folders: AFEW's frames, RAF-DB by class, the mixed set, own faces."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from bad_input.case import LINE, WORKS, Case, Spoil, as_it_is, gone_folder, linked_out, on, text
from bad_input.clip_cases import faceless
from bad_input.commands import own_faces
from bad_input.good_files import picture


def clips() -> list[Case]:
    """A clip's folder in AFEW."""
    kind = "AFEW as folders of frames"
    return [
        Case(kind, "a frame of zero bytes", on("001.jpg", text(b"")), LINE, "001.jpg"),
        Case(kind, "a frame that is text", on("001.jpg", text("hello")), LINE, "001.jpg"),
        Case(kind, "a class that is not known", _renamed_class("Bored"), LINE, "Bored"),
        Case(kind, "videos that are not extracted", _videos_instead, LINE, "extracted"),
        Case(kind, "frames without folders of clips", _without_clips, LINE, "clip"),
        Case(kind, "a clip that is a link elsewhere", linked_out, WORKS),
        Case(kind, "missing", on("../../..", gone_folder), LINE, "afew not found"),
        Case(kind, "a clip without frames", _emptied, WORKS),
        Case(kind, "a clip without a face in any frame", faceless, WORKS),
        Case(kind, "extra files (notes.txt, Thumbs.db)", _extras, WORKS),
        Case(kind, "a clip called in Korean, with spaces and quotes", _renamed, WORKS),
        Case(kind, "symbolic link loop", _loop, WORKS),
        Case(kind, "frames of 1 x 1 pixel", on("001.jpg", _tiny), WORKS),
    ]


def class_folders() -> list[Case]:
    """A class's folder in RAF-DB without a label list."""
    kind = "RAF-DB as folders of classes"
    return [
        Case(kind, "a class id out of range", _renamed_to("8"), LINE, "8"),
        Case(kind, "a class name that is not known", _renamed_to("bored"), LINE, "bored"),
        Case(kind, "an empty class", _emptied, LINE, "no image"),
        Case(kind, "a class that is a link elsewhere", linked_out, WORKS),
        Case(kind, "no held-out split", on("../../test", gone_folder), LINE, "not found"),
        Case(kind, "a class by its name", _renamed_to("Disgust"), WORKS),
        Case(kind, "extra files (notes.txt, Thumbs.db)", _extras, WORKS),
    ]


def mixed_sets() -> list[Case]:
    """The folder that holds RAF-DB and AFEW."""
    kind = "the mixed set"
    return [
        Case(kind, "no clip that it names", on("AFEW/Train_AFEW/Angry", _emptied), LINE, "none of"),
        Case(kind, "AFEW missing", on("AFEW", gone_folder), LINE, "afew not found"),
        Case(kind, "RAF-DB missing", on("RAF-DB", gone_folder), LINE, "rafdb_basic not found"),
        Case(kind, "clips that are not there beside one that is", as_it_is, WORKS),
    ]


def folders() -> list[Case]:
    """A class folder among others, of faces of one's own."""
    kind = "folder of faces"
    return [
        Case(kind, "empty class", _emptied, WORKS),
        Case(kind, "extra files (notes.txt, .DS_Store)", _extras, WORKS),
        Case(kind, "names with Korean, emoji, spaces, quotes", _odd_name, WORKS),
        Case(kind, "symbolic link loop", _loop, WORKS),
        Case(kind, "as a whole a link elsewhere", on("..", linked_out), WORKS),
        Case(kind, "a class that is a link elsewhere", linked_out, WORKS),
        Case(kind, "a picture that is a link elsewhere", on("0.jpg", linked_out), WORKS),
        Case(kind, "a single class left", _alone, LINE),
        Case(kind, "folders of subjects with classes in them", _subjects_first, WORKS),
        Case(kind, "subjects and classes that are numbers", _numbered_subjects, says="layout"),
        Case(kind, "splits called Train_set and fold2", _called_splits, WORKS),
        Case(kind, "classes called -1, 0 and 1", _signed, WORKS),
        Case(kind, "endings .jfif, .gif and .heic", _endings, WORKS),
        Case(kind, "a file in its place", on("..", _file_instead), LINE, "is not a folder"),
        Case(kind, "missing", _vanished, LINE, "faces"),
        Case(kind, "a picture's name that is not UTF-8", on("0.jpg", _bytes_name), LINE, "udce9"),
        Case(kind, "a class name that is not UTF-8", _bytes_name, LINE, "udce9"),
        Case(kind, "a line break in a name", on("0.jpg", _renamed_to("a\nb.jpg")), LINE, "a\\nb"),
        Case(kind, "a name of 250 letters", on("0.jpg", _renamed_to("x" * 246 + ".jpg")), WORKS),
    ]


def rejecting_supports() -> list[Case]:
    """A class folder of a support that `predict reject=` measures a rate on."""
    kind = "support folder with reject="
    return [
        Case(kind, "three pictures of five classes", as_it_is, WORKS),
        Case(kind, "three classes left", _alone, LINE, "has 3"),
        Case(kind, "one picture a class", on("..", _one_each), LINE, "too few"),
        Case(kind, "a class without pictures", _emptied, LINE, "no picture"),
    ]


def typed_paths() -> list[Case]:
    """The folder of faces under another name, as it is typed."""
    names = {
        "Korean, spaces, brackets": "얼굴 [1] (a) {b}",
        "quotes": 'it\'s "mine"',
        "commas, = and #": "a,b = c # d",
        "a backslash": "back\\slash\\",
        "signs of a shell: & ; | $": "a & b; c | $HOME",
        "a ${ in it": "${x} and ${",
        "a tilde in front": "~mine",
    }
    kind = "a path that is typed"
    cases = [
        Case(kind, fault, on("..", _renamed_to(name)), WORKS, words=own_faces(name))
        for fault, name in names.items()
    ]
    return [
        *cases,
        Case(
            kind,
            "a home of nobody",
            as_it_is,
            LINE,
            "~no-such-user",
            words=own_faces("~no-such-user/x"),
        ),
        Case(
            *(kind, "results in a folder with ${", as_it_is, LINE, "paths.outputs"),
            words=(*own_faces("faces"), "paths.outputs=${x}"),
        ),
        Case(
            *(kind, "bytes that are not UTF-8", as_it_is, LINE, "dataset.root="),
            words=own_faces(os.fsdecode(b"caf\xe9")),
        ),
    ]


def _bytes_name(path: Path) -> None:
    path.rename(path.with_name(os.fsdecode(b"caf\xe9") + path.suffix))


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _renamed_class(name: str) -> Spoil:
    return lambda clip: _rename(clip.parent, name)


def _renamed_to(name: str) -> Spoil:
    return lambda folder: _rename(folder, name)


def _rename(folder: Path, name: str) -> None:
    folder.rename(folder.with_name(name))


def _renamed(clip: Path) -> None:
    _rename(clip, "클립 'a' \"b\"")


def _videos_instead(clip: Path) -> None:
    of_class = clip.parent
    _emptied(of_class)
    (of_class / "000105000.avi").write_bytes(b"RIFF")


def _without_clips(clip: Path) -> None:
    for frame in clip.iterdir():
        frame.rename(clip.parent / frame.name)


def _extras(folder: Path) -> None:
    (folder / "notes.txt").write_text("not a face")
    for name in (".DS_Store", "Thumbs.db"):
        (folder / name).write_bytes(b"\x00")
    (folder.parent / "readme.md").write_text("about")


def _loop(folder: Path) -> None:
    (folder / "up").symlink_to(folder.parent, target_is_directory=True)


def _tiny(path: Path) -> None:
    picture(3, side=1).save(path)


def _odd_name(folder: Path) -> None:
    (folder / "0.jpg").rename(folder / "얼굴 'x' \"y\" 🙂.jpg")
    folder.rename(folder.with_name("기쁨 & joy's"))


def _one_each(faces: Path) -> None:
    for number in (1, 2):
        for path in faces.glob(f"*/{number}.jpg"):
            path.unlink()


def _subjects_first(folder: Path, classes: Sequence[str] = ("anger", "fear", "joy")) -> None:
    """Lay the faces out by subjects 0 to 2, who show one picture of each class."""
    faces = folder.parent
    pictures = [sorted((faces / name).iterdir()) for name in ("anger", "fear", "joy")]
    for name, of_class in zip(classes, pictures, strict=False):
        for subject, file in enumerate(of_class):
            (faces / str(subject) / name).mkdir(parents=True)
            file.rename(faces / str(subject) / name / file.name)
    for name in ("anger", "fear", "joy"):
        shutil.rmtree(faces / name)


def _numbered_subjects(folder: Path) -> None:
    _subjects_first(folder, ("10", "11"))


def _called_splits(folder: Path) -> None:
    """Lay the same faces out in two splits, whose names no list has."""
    faces = folder.parent
    shutil.copytree(faces, faces.with_name("copy"))
    shutil.rmtree(faces)
    for split in ("Train_set", "fold2"):
        for of_class in faces.with_name("copy").iterdir():
            shutil.copytree(of_class, faces / split / of_class.name)


def _signed(folder: Path) -> None:
    for old, new in (("anger", "-1"), ("fear", "0"), ("joy", "1")):
        _rename(folder.with_name(old), new)


def _endings(folder: Path) -> None:
    for number, ending in enumerate(("jfif", "gif", "heic")):
        with Image.open(folder / f"{number}.jpg") as opened:
            opened.save(folder / f"{number}.{ending}", "GIF" if ending == "gif" else "JPEG")
        (folder / f"{number}.jpg").unlink()


def _alone(folder: Path) -> None:
    for other in (folder.with_name("anger"), folder.with_name("fear")):
        shutil.rmtree(other)


def _file_instead(faces: Path) -> None:
    shutil.rmtree(faces.resolve())
    faces.resolve().write_text("a file")


def _vanished(folder: Path) -> None:
    folder.parent.rename(folder.parent.with_name("moved"))
