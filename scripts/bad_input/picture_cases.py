"""Pictures, and the folders that they lie in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bad_input.case import LINE, WORKS, Case, Spoil, edited, folder_instead, text
from bad_input.good_files import picture

KIND = "picture"


def pictures() -> list[Case]:
    """One picture of a class folder, `0.jpg`."""
    return [
        Case(KIND, "zero bytes", text(b""), LINE, "0.jpg"),
        Case(KIND, "text in its place", text("hello"), LINE, "0.jpg"),
        Case(KIND, "truncated JPEG", edited(lambda raw: raw[: len(raw) // 2]), LINE, "0.jpg"),
        Case(KIND, "JPEG with rubbish in its middle", edited(_rubbish), WORKS),
        Case(KIND, "20,000 x 20,000 pixels", _drawn(_huge, "png"), LINE, "FEWSHOT_FER_MAX_PIXELS"),
        Case(KIND, "a folder in its place", folder_instead, WORKS),
        Case(KIND, "a link to itself", _loop, WORKS),
        Case(KIND, "1 x 1 pixel", _drawn(lambda: picture(3, side=1), "png"), WORKS),
        Case(KIND, "CMYK", _drawn(lambda: picture(3).convert("CMYK"), "jpeg"), WORKS),
        Case(KIND, "16-bit grey", _drawn(_deep, "png"), WORKS),
        Case(KIND, "palette", _drawn(lambda: picture(3).quantize(16), "png"), WORKS),
        Case(KIND, "alpha", _drawn(lambda: picture(3).convert("RGBA"), "png"), WORKS),
        Case(KIND, "black and white, 1 bit", _drawn(lambda: picture(3).convert("1"), "png"), WORKS),
        Case(KIND, "animated", _animated, WORKS),
        Case(KIND, "EXIF rotation", _rotated, WORKS),
        Case(KIND, "PNG named .jpg", _drawn(lambda: picture(3), "png"), WORKS),
    ]


def folders() -> list[Case]:
    """A class folder among others."""
    kind = "folder of faces"
    return [
        Case(kind, "empty class", _emptied, WORKS),
        Case(kind, "extra files (notes.txt, .DS_Store)", _extras, WORKS),
        Case(kind, "names with Korean, emoji, spaces, quotes", _odd_name, WORKS),
        Case(kind, "symbolic link loop", _folder_loop, WORKS),
        Case(kind, "a single class left", _alone, LINE),
        Case(kind, "missing", _vanished, LINE, "faces"),
    ]


def _rubbish(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + b"\x00\x11\x22\x33" + raw[middle + 4 :]


def _drawn(draw: Callable[[], Image.Image], kind: str) -> Spoil:
    return lambda path: draw().save(path, format=kind)


def _huge() -> Image.Image:
    return Image.new("1", (20_000, 20_000))


def _deep() -> Image.Image:
    return Image.fromarray(np.arange(24 * 24, dtype=np.uint16).reshape(24, 24) * 100)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _animated(path: Path) -> None:
    picture(1).save(path, format="gif", save_all=True, append_images=[picture(2)])


def _rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(4).save(path, format="jpeg", exif=exif)


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _extras(folder: Path) -> None:
    (folder / "notes.txt").write_text("not a face")
    (folder / ".DS_Store").write_bytes(b"\x00")
    (folder.parent / "readme.md").write_text("about")


def _odd_name(folder: Path) -> None:
    (folder / "0.jpg").rename(folder / "얼굴 'x' \"y\" 🙂.jpg")
    folder.rename(folder.with_name("기쁨 & joy's"))


def _folder_loop(folder: Path) -> None:
    (folder / "up").symlink_to(folder.parent, target_is_directory=True)


def _alone(folder: Path) -> None:
    for other in (folder.with_name("anger"), folder.with_name("fear")):
        _emptied(other)
        other.rmdir()


def _vanished(folder: Path) -> None:
    folder.parent.rename(folder.parent.with_name("moved"))
