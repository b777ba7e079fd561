"""Faults and rare forms of pictures."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    Spoil,
    as_it_is,
    edited,
    folder_instead,
    gone,
    text,
    truncated,
)
from bad_input.commands import PREDICT
from bad_input.good_files import picture

KIND = "picture"


def pictures() -> list[Case]:
    """One picture of a class folder, `0.jpg`."""
    return [
        Case(KIND, "zero bytes", text(b""), LINE, "0.jpg"),
        Case(KIND, "text in its place", text("hello"), LINE, "0.jpg"),
        Case(KIND, "truncated JPEG", edited(truncated), LINE, "0.jpg"),
        Case(KIND, "JPEG with rubbish in its middle", edited(_rubbish), WORKS),
        Case(KIND, "20,000 x 20,000 pixels", _drawn(_huge, "png"), LINE, "FEWSHOT_FER_MAX_PIXELS"),
        Case(KIND, "hostile: EPS, a program, named .jpg", _drawn(_flat, "eps"), LINE, "0.jpg"),
        Case(KIND, "a pipe that never ends in its place", _pipe, WORKS),
        Case(KIND, "a folder in its place", folder_instead, WORKS),
        Case(KIND, "a link to itself", _loop, WORKS),
        Case(KIND, "1 x 1 pixel", _drawn(lambda: picture(3, side=1), "png"), WORKS),
        Case(KIND, "CMYK", _drawn(lambda: picture(3).convert("CMYK"), "jpeg"), WORKS),
        Case(KIND, "16-bit grey", _drawn(_deep, "png"), WORKS),
        Case(KIND, "floats, 0..1", _drawn(lambda: _floats(1), "tiff"), WORKS),
        Case(KIND, "floats, 0..255", _drawn(lambda: _floats(255), "tiff"), LINE, "0.jpg"),
        Case(KIND, "32-bit integers", _drawn(lambda: _deep().convert("I"), "tiff"), LINE, "0.jpg"),
        Case(KIND, "pages of a TIFF", _pages, WORKS),
        Case(KIND, "palette", _drawn(lambda: picture(3).quantize(16), "png"), WORKS),
        Case(KIND, "alpha", _drawn(lambda: picture(3).convert("RGBA"), "png"), WORKS),
        Case(KIND, "black and white, 1 bit", _drawn(lambda: picture(3).convert("1"), "png"), WORKS),
        Case(KIND, "animated", _animated, WORKS),
        Case(KIND, "EXIF rotation", _rotated, WORKS),
        Case(KIND, "PNG named .jpg", _drawn(lambda: picture(3), "png"), WORKS),
    ]


def neutral_pictures() -> list[Case]:
    """The picture of a neutral face that `predict neutral=` takes."""
    kind = "neutral picture"
    return [
        Case(kind, "PNG named .jpg", _drawn(lambda: picture(3), "png"), WORKS),
        Case(kind, "zero bytes", text(b""), LINE, "neutral"),
        Case(kind, "truncated JPEG", edited(truncated), LINE, "neutral"),
        Case(kind, "missing", gone, LINE, "neutral="),
        Case(kind, "a folder without pictures in its place", folder_instead, LINE, "neutral="),
    ]


def refined_folders() -> list[Case]:
    """A folder whose faces decide together; what is spoilt is one of its pictures, `0.jpg`."""
    kind = "folder with refine=true"
    one, starter = "images=faces/joy/1.jpg", ("predict", "align=false", "device=cpu")
    return [
        Case(kind, "one picture cannot be read", text(b""), WORKS),
        Case(kind, "one face alone", as_it_is, WORKS, words=(*PREDICT, one, "refine=true")),
        Case(
            *(kind, "by a method for equally frequent classes", as_it_is, LINE, "laplacian"),
            words=(*PREDICT, one, "refine=ptmap"),
        ),
        Case(
            *(kind, "without run= and support=", as_it_is, LINE, "support=folder"),
            words=(*starter, one, "refine=true"),
        ),
    ]


def _rubbish(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + b"\x00\x11\x22\x33" + raw[middle + 4 :]


def _drawn(draw: Callable[[], Image.Image], kind: str) -> Spoil:
    return lambda path: draw().save(path, format=kind)


def _huge() -> Image.Image:
    return Image.new("1", (20_000, 20_000))


def _flat() -> Image.Image:
    return picture(3).convert("RGB")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _deep() -> Image.Image:
    return Image.fromarray(np.arange(24 * 24, dtype=np.uint16).reshape(24, 24) * 100)


def _floats(white: float) -> Image.Image:
    grey = np.arange(24 * 24, dtype=np.float32).reshape(24, 24) / (24 * 24 - 1)
    return Image.fromarray(white * grey)


def _pages(path: Path) -> None:
    picture(1).save(path, format="tiff", save_all=True, append_images=[picture(2)])


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _animated(path: Path) -> None:
    picture(1).save(path, format="gif", save_all=True, append_images=[picture(2)])


def _rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(4).save(path, format="jpeg", exif=exif)
