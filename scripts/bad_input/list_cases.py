"""Faults of label lists and CSV files."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    Spoil,
    as_it_is,
    edited,
    folder_instead,
    gone,
    linked_out,
    replaced,
    text,
    truncated,
)


def subject_lists() -> list[Case]:
    """A list of subjects, on which a run is tested relative to their neutral faces."""
    kind = "CSV list with neutral=subject"
    return [
        Case(kind, "a neutral picture of each subject", as_it_is, WORKS),
        Case(kind, "no neutral class", edited(lambda raw: raw.replace(b"neutral", b"sad")), LINE),
        Case(kind, "no groups", edited(lambda raw: raw.replace(b"group", b"other")), LINE),
    ]


def _second(line: bytes) -> Spoil:
    return replaced(b"train_00002.jpg 2", line)


def label_lists() -> list[Case]:
    """RAF-DB's list, with the images that belong to it."""
    kind = "label list"
    wrong = {
        "no class id": b"train_00002.jpg",
        "label 0": b"train_00002.jpg 0",
        "label out of range": b"train_00002.jpg 8",
        "wrong type: a word for a label": b"train_00002.jpg happy",
        "NUL bytes": b"train_00002.jpg\x00 2",
        "a huge line": b"train_00002.jpg 2" + b" x" * 500_000,
        "path with ..": b"train_../../../secret.jpg 2",
        "absolute path": b"/etc/passwd.jpg 2",
        "a name with a space": b"train_00002 a.jpg 2",
        "duplicate row": b"train_00001.jpg 1",
        "an image that is missing": b"train_00099.jpg 2",
    }
    cases = [Case(kind, fault, _second(line)) for fault, line in wrong.items()]
    return [
        *cases,
        Case(kind, "empty", text(""), says="empty"),
        Case(kind, "truncated in a line", edited(lambda raw: raw[:-3])),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "wrong type (a picture)", text(b"\xff\xd8\xff\xe0" + bytes(range(256)))),
        Case(kind, "a link to a file elsewhere", linked_out, WORKS),
        Case(kind, "an image that is a link elsewhere", _linked_image, WORKS),
        Case(kind, "its images in a link to a folder elsewhere", _linked_images, WORKS),
        Case(kind, "BOM", edited(lambda raw: b"\xef\xbb\xbf" + raw), WORKS),
        Case(kind, "CRLF", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
        Case(kind, "blank lines, no final newline", edited(lambda raw: b"\n\n" + raw[:-1]), WORKS),
        Case(kind, "names with Korean, emoji and quotes", _odd_image, WORKS),
        Case(kind, "extra images that it does not list", _extra_image, WORKS),
        Case(kind, "all of RAF-DB a link to another disk", _linked_whole, WORKS),
    ]


def _images(labels: Path) -> Path:
    return labels.parents[1] / "Image/aligned"


def _extra_image(labels: Path) -> None:
    (_images(labels) / "train_00900_aligned.jpg").write_bytes(b"never read")


def _odd_image(labels: Path) -> None:
    name = "train_얼굴'\"🙂"
    (_images(labels) / "train_00002_aligned.jpg").rename(_images(labels) / f"{name}_aligned.jpg")
    _second(f"{name}.jpg 2".encode())(labels)


def _linked_image(labels: Path) -> None:
    linked_out(_images(labels) / "train_00002_aligned.jpg")


def _linked_images(labels: Path) -> None:
    linked_out(_images(labels))


def _linked_whole(labels: Path) -> None:
    linked_out(labels.parents[2])


def compound_lists() -> list[Case]:
    """The list of the eleven compound classes."""
    kind = "label list of compound expressions"
    first = b"train_00001.jpg 1\n"
    return [
        Case(kind, "empty", text(""), says="empty"),
        Case(kind, "truncated in a line", edited(lambda raw: raw[:-3])),
        Case(kind, "label out of range", replaced(first, b"train_00001.jpg 12\n"), says="1..11"),
        Case(kind, "missing", gone, says="rafdb_compound not found"),
        Case(kind, "that of the basic expressions in its place", _basic_list, says="missing"),
        Case(kind, "BOM and CRLF", edited(_as_windows_does), WORKS),
    ]


def _basic_list(labels: Path) -> None:
    basic = labels.parents[2] / "basic/EmoLabel" / labels.name
    labels.write_bytes(basic.read_bytes())


def csv_files() -> list[Case]:
    """A list of one's own, with the pictures that it names."""
    kind = "CSV"

    def first(line: str | bytes) -> Spoil:
        raw = line.encode() if isinstance(line, str) else line
        return replaced(b"faces/anger/0.jpg,anger", raw)

    wrong: dict[str, str | bytes] = {
        "duplicate row": "faces/anger/1.jpg,anger",
        "a picture that is missing": "faces/anger/99.jpg,anger",
        "empty label": "faces/anger/0.jpg,",
        "more cells than columns": "faces/anger/0.jpg,anger,1,2,3",
        "NUL bytes": b"faces/anger/0.jpg,ang\x00er",
        "an open quote": '"faces/anger/0.jpg,anger',
        "a folder for a picture": "faces/anger,anger",
    }
    out = {"path with .. out of its folder": "../../secret.jpg", "absolute path": "/etc/passwd"}
    return [
        *(Case(kind, fault, first(line)) for fault, line in wrong.items()),
        *(Case(kind, fault, first(f"{name},anger"), LINE, "line 2") for fault, name in out.items()),
        Case(kind, "a picture that is a link elsewhere", _linked_picture, WORKS),
        Case(kind, "empty", text("")),
        Case(kind, "truncated in a line", edited(truncated)),
        Case(kind, "a header alone", text("path,label\n"), says="lists no image"),
        Case(kind, "another header", edited(lambda raw: raw.replace(b"path,", b"file,", 1))),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "a huge line", edited(lambda raw: raw + b"x" * 2000000 + b",joy\n"), LINE),
        Case(kind, "BOM and CRLF", edited(_as_windows_does), WORKS),
        Case(kind, "Korean, emoji, spaces and quotes", _odd_names, WORKS),
        Case(kind, "classes called true, path, 01 and nan", edited(_odd_classes), WORKS),
        Case(kind, "absolute paths below its folder", _absolute, WORKS),
        Case(kind, "backslashes", edited(lambda raw: raw.replace(b"/", b"\\")), WORKS),
        Case(kind, "a path in another Unicode form", _other_form, WORKS),
        Case(kind, "classes -1 and 1", edited(_signed_classes), WORKS),
        Case(kind, "a column subject and no group", edited(_with_subjects), WORKS),
        Case(kind, "a column emotion and no label", replaced(b",label", b",emotion"), says="label"),
    ]


def own_supports() -> list[Case]:
    """A list whose images are queries and support at once, three a class."""
    kind = "CSV that is its own support"
    clips, apart = "the query's clip or subject is in the support", "every query has its clip"
    again = "picture, under another name, is in the support"
    return [
        Case(kind, "without groups", _with_groups(lambda name, place: ""), WORKS),
        Case(kind, "clips on both sides", _with_groups(lambda _, i: f"s{i // 2}"), WORKS, clips),
        Case(kind, "one subject alone", _with_groups(lambda _, i: "s"), LINE, apart),
        Case(kind, "a picture under two class names", _copied("fear"), WORKS, "two class names"),
        Case(kind, "pictures twice in a class", _copied("anger"), WORKS, again),
    ]


def _with_groups(group: Callable[[str, int], str]) -> Spoil:
    def spoil(file: Path) -> None:
        header, *lines = file.read_text().splitlines()
        listed = [f"{line},{group(line, place)}" for place, line in enumerate(lines)]
        file.write_text("\n".join([f"{header},group", *listed]))

    return spoil


def _copied(label: str) -> Spoil:
    """List every picture of anger once more, of this class."""

    def spoil(file: Path) -> None:
        lines = file.read_text().splitlines()
        for line in [line for line in lines if line.endswith(",anger")]:
            path = Path(line.split(",")[0])
            again = path.with_name(f"again_{path.name}")
            shutil.copy(file.parent / path, file.parent / again)
            lines.append(f"{again},{label}")
        file.write_text("\n".join(lines))

    return spoil


def _other_form(file: Path) -> None:
    name = unicodedata.normalize("NFD", "기쁨.jpg")
    (file.parent / "faces/anger/0.jpg").rename(file.parent / "faces/anger" / name)
    replaced(b"anger/0.jpg", "anger/기쁨.jpg".encode())(file)


def _signed_classes(raw: bytes) -> bytes:
    return raw.replace(b",anger", b",-1").replace(b",fear", b",1")


def _with_subjects(raw: bytes) -> bytes:
    header, *lines = raw.split()
    rows = [line + b",S%d" % (number % 3) for number, line in enumerate(lines)]
    return b"\n".join([header + b",subject", *rows])


def _linked_picture(file: Path) -> None:
    linked_out(file.parent / "faces/anger/0.jpg")


def _absolute(file: Path) -> None:
    file.write_text(file.read_text().replace("faces/", f"{file.parent}/faces/"))


def _odd_classes(raw: bytes) -> bytes:
    """Return a list whose classes are called like columns, numbers and words of YAML."""
    lines = raw.decode().splitlines()
    names = sorted({line.split(",")[1] for line in lines[1:]})
    new = dict(zip(names, ("true", "path", "01", "nan", "predicted", "1e3", "clip"), strict=False))
    made = (line.split(",") for line in lines[1:])
    return "\n".join([lines[0], *(f"{path},{new[name]}" for path, name in made)]).encode()


def _as_windows_does(raw: bytes) -> bytes:
    return b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n")


def _odd_names(file: Path) -> None:
    old = file.parent / "faces/joy/0.jpg"
    new = old.with_name("얼굴 'a' \"b\" 🙂, x.jpg")
    old.rename(new)
    quoted = str(Path("faces/joy") / new.name).replace('"', '""')
    content = file.read_text().replace("faces/joy/0.jpg,joy", f'"{quoted}",기쁨 🙂')
    content = content.replace(",joy", ",기쁨 🙂")
    file.write_text(content, encoding="utf-8")
