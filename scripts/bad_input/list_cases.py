"""Label lists and CSV files."""

from pathlib import Path

from bad_input.case import LINE, WORKS, Case, edited, folder_instead, gone, text


def _second(line: bytes) -> "object":
    return edited(lambda raw: raw.replace(b"train_00002.jpg 2", line, 1))


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
        "duplicate row": b"train_00001.jpg 1",
        "an image that is missing": b"train_00099.jpg 2",
    }
    cases = [Case(kind, fault, _second(line)) for fault, line in wrong.items()]  # type: ignore[arg-type]
    return [
        *cases,
        Case(kind, "empty", text(""), says="empty"),
        Case(kind, "truncated in a line", edited(lambda raw: raw[:-3])),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "wrong type (a picture)", text(b"\xff\xd8\xff\xe0" + bytes(range(256)))),
        Case(kind, "BOM", edited(lambda raw: b"\xef\xbb\xbf" + raw), WORKS),
        Case(kind, "CRLF", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
        Case(kind, "blank lines, no final newline", edited(lambda raw: b"\n\n" + raw[:-1]), WORKS),
        Case(kind, "extra images that it does not list", _extra_image, WORKS),
    ]


def _extra_image(labels: Path) -> None:
    faces = labels.parents[1] / "Image/aligned"
    (faces / "train_00900_aligned.jpg").write_bytes(b"never read")


def csv_files() -> list[Case]:
    """A list of one's own, with the pictures that it names."""
    kind = "CSV"
    first = b"faces/anger/0.jpg,anger"

    def replaced(line: str | bytes) -> "object":
        raw = line.encode() if isinstance(line, str) else line
        return edited(lambda content: content.replace(first, raw, 1))

    wrong: dict[str, str | bytes] = {
        "duplicate row": "faces/anger/1.jpg,anger",
        "a picture that is missing": "faces/anger/99.jpg,anger",
        "empty label": "faces/anger/0.jpg,",
        "more cells than columns": "faces/anger/0.jpg,anger,1,2,3",
        "NUL bytes": b"faces/anger/0.jpg,ang\x00er",
        "an open quote": '"faces/anger/0.jpg,anger',
        "a folder for a picture": "faces/anger,anger",
    }
    cases = [Case(kind, fault, replaced(line)) for fault, line in wrong.items()]  # type: ignore[arg-type]
    return [
        *cases,
        Case(kind, "empty", text("")),
        Case(kind, "a header alone", text("path,label\n"), says="lists no image"),
        Case(kind, "another header", edited(lambda raw: raw.replace(b"path,", b"file,", 1))),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "BOM and CRLF", edited(_as_windows_does), WORKS),
        Case(kind, "Korean, emoji, spaces and quotes", _odd_names, WORKS),
        Case(kind, "a huge line", edited(lambda raw: raw + b"x" * 2000000 + b",joy\n"), LINE),
    ]


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
