"""Faults of data sets in the layouts that their adapters write: CK+, Oulu-CASIA, KDEF, RAF-CE."""

from pathlib import Path

from bad_input.case import LINE, WORKS, Case, Spoil, edited, gone_folder, on, text
from bad_input.good_files import write_layout

IMAGES = "../../../cohn-kanade-images"


def write_ckplus(root: Path) -> Path:
    """Write CK+; return the label file of a sequence."""
    return next((write_layout("ckplus", root) / "Emotion/S006/003").iterdir())


def write_oulu(root: Path) -> Path:
    """Write Oulu-CASIA; return the folder of a sequence."""
    return write_layout("oulu_casia", root) / "PreProcess_Img/VL_Acropped/Strong/P002/Fear"


def write_kdef(root: Path) -> Path:
    """Write KDEF; return a photograph."""
    return write_layout("kdef", root) / "KDEF/AF01/AF01AFS.JPG"


def write_rafce(root: Path) -> Path:
    """Write RAF-CE; return the list of classes."""
    return write_layout("rafce", root) / "RAFCE_emolabel.txt"


def ckplus() -> list[Case]:
    """A label file of CK+."""
    kind = "CK+'s label file"
    return [
        Case(kind, "empty", text(""), LINE, "is not the number of a class"),
        Case(kind, "a class out of range", text("   8.0000000e+00"), LINE, "7 surprise"),
        Case(kind, "bytes that are no text", text(b"\xff\xfe\x00"), LINE, "_emotion.txt"),
        Case(kind, "all of them missing", on("../..", gone_folder), LINE, "no labels beside it"),
        Case(kind, "missing", Path.unlink, WORKS),
        Case(kind, "frames missing", on(f"{IMAGES}/S006/003", gone_folder), WORKS),
    ]


def oulu() -> list[Case]:
    """A sequence of Oulu-CASIA."""
    kind = "sequence of Oulu-CASIA"
    return [
        Case(kind, "a class that is not known", _called("Bored"), LINE, "Bored"),
        Case(kind, "camera and light that are not there", on("../..", _called("Dim")), LINE, "Dim"),
        Case(kind, "a class spelled otherwise", _called("fearful"), WORKS),
        Case(kind, "without its beginning", on("000.jpeg", Path.unlink), WORKS),
        Case(kind, "missing", gone_folder, WORKS),
    ]


def kdef() -> list[Case]:
    """A photograph of KDEF."""
    kind = "photograph of KDEF"
    return [
        Case(kind, "text in its place", text("hello"), LINE, "AF01AFS.JPG"),
        Case(kind, "a name without class and angle", _called("AF31V.JPG"), WORKS),
        Case(kind, "missing", Path.unlink, WORKS),
    ]


def rafce() -> list[Case]:
    """RAF-CE's list of classes."""
    kind = "RAF-CE's list of classes"
    return [
        Case(kind, "empty", text(""), LINE, "is empty"),
        Case(kind, "ids that count from 1", edited(_from_one), LINE, "0..13"),
        Case(kind, "an image that is not divided", edited(_one_more), LINE, "RAFCE_partition.txt"),
        Case(kind, "no list of splits", on("RAFCE_partition.txt", Path.unlink), LINE, "divides"),
        Case(kind, "an image missing", on("aligned/0001_aligned.jpg", Path.unlink), LINE, "0001"),
        Case(kind, "lines of Windows", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
    ]


def _called(name: str) -> Spoil:
    def rename(path: Path) -> None:
        path.rename(path.with_name(name))

    return rename


def _from_one(raw: bytes) -> bytes:
    pairs = [line.split() for line in raw.splitlines()]
    return b"".join(b"%s %d\n" % (name, int(number) + 1) for name, number in pairs)


def _one_more(raw: bytes) -> bytes:
    return raw + b"9999.jpg 3\n"
