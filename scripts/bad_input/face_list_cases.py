"""Faults of lists of faces, in the layouts that adapters write: FER2013, FER+, AffectNet, ExpW."""

from pathlib import Path

from bad_input.case import LINE, WORKS, Case, edited, on, replaced, text
from bad_input.good_files import write_layout


def write_fer2013(root: Path) -> Path:
    """Write FER2013; return its list of pixels."""
    return write_layout("fer2013", root) / "fer2013.csv"


def write_ferplus(root: Path) -> Path:
    """Write FER+; return the list of a folder of pictures."""
    return write_layout("ferplus", root) / "data/FER2013Train/label.csv"


def write_affectnet(root: Path) -> Path:
    """Write AffectNet, re-packed; return the annotation of a picture."""
    return write_layout("affectnet", root) / "train_set/annotations/0_exp.npy"


def write_expw(root: Path) -> Path:
    """Write ExpW; return its list of faces."""
    return write_layout("expw", root) / "label/label.lst"


def pixel_lists() -> list[Case]:
    """FER2013's list of pixels."""
    kind = "FER2013's list of pixels"
    return [
        Case(kind, "an id out of range", replaced(b"\n0,", b"\n7,"), LINE, "emotion '7'"),
        Case(kind, "a split that is not known", replaced(b",Training", b",Train1"), LINE, "line 2"),
        Case(kind, "cut off within a row", edited(lambda raw: raw[:-400]), LINE, "cut off"),
        Case(kind, "a row of too few pixels", replaced(b"\n2,0 0 ", b"\n2,0 "), LINE, "#row=3"),
        Case(kind, "a pixel above 255", replaced(b"\n2,0 0 ", b"\n2,0 256 "), LINE, "256"),
        Case(kind, "without a header", replaced(b"emotion,pixels,Usage\n", b""), LINE, "emotion"),
        Case(kind, "bytes that are no text", text(b"\xff\xfe\x00"), LINE, "fer2013.csv"),
        Case(kind, "missing", Path.unlink, LINE, "fer2013 not found"),
        Case(
            kind,
            "names spelled ' pixels'",
            replaced(b"emotion,pixels,", b"emotion, pixels, "),
            WORKS,
        ),
        Case(kind, "lines of Windows", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
    ]


def vote_lists() -> list[Case]:
    """FER+'s list of votes beside its pictures."""
    kind = "FER+'s list of votes"
    return [
        Case(kind, "a vote too few", replaced(b",0,0\n", b",0\n"), LINE, "line of votes"),
        Case(kind, "a vote that is no number", replaced(b",8,", b",eight,"), LINE, "line of votes"),
        Case(kind, "a picture missing", on("fer0000002.png", Path.unlink), LINE, "fer0000002.png"),
        Case(kind, "a box that is none", replaced(b"(0, 0, 48, 48)", b"(9, 9)"), LINE, "(9, 9)"),
        Case(kind, "empty", text(""), LINE, "label.csv"),
        Case(kind, "a picture without a name", replaced(b"fer0000002.png", b""), WORKS),
    ]


def annotations() -> list[Case]:
    """The annotation of a picture of AffectNet, re-packed."""
    kind = "AffectNet's annotation"
    return [
        Case(kind, "empty", text(""), LINE, "0_exp.npy"),
        Case(kind, "text", text("happy"), LINE, "0_exp.npy"),
        Case(kind, "an array of several numbers", on("0_lnd.npy", _over_exp), LINE, "0_exp.npy"),
        Case(kind, "missing", Path.unlink, LINE, "no annotation"),
        Case(kind, "a picture missing", on("../images/0.jpg", Path.unlink), WORKS),
    ]


def box_lists() -> list[Case]:
    """ExpW's list of faces."""
    kind = "ExpW's list of faces"
    return [
        Case(kind, "a class out of range", replaced(b".5 0\n", b".5 7\n"), LINE, "line 1"),
        Case(kind, "a column too few", replaced(b" 30.5 ", b" "), LINE, "line 1"),
        Case(kind, "a box that is no number", replaced(b" 20 30 ", b" 20 x "), LINE, "line 1"),
        Case(kind, "a box outside", replaced(b" 20 30 130", b" 20 930 999"), LINE, "xywh"),
        Case(kind, "a photograph missing", replaced(b"angry_", b"gone_"), LINE, "gone_person"),
        Case(kind, "empty", text(""), LINE, "lists no face"),
        Case(kind, "a box of no pixel", replaced(b" 20 30 130", b" 20 130 130"), WORKS),
        Case(kind, "a line twice", edited(_repeated), WORKS),
    ]


def _repeated(raw: bytes) -> bytes:
    return raw + raw.splitlines(keepends=True)[1]


def _over_exp(landmarks: Path) -> None:
    landmarks.replace(landmarks.with_name("0_exp.npy"))


SETS = (
    (pixel_lists, write_fer2013, "fer2013"),
    (vote_lists, write_ferplus, "ferplus"),
    (annotations, write_affectnet, "affectnet"),
    (box_lists, write_expw, "expw"),
)
"""The faults of a data set, what writes it, and its name."""
