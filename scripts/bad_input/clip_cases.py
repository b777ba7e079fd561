"""Faults of data whose clips episodes count."""

import shutil
from pathlib import Path

from bad_input.case import LINE, WORKS, Case, Spoil, as_it_is, edited, gone, on


def counted_clips() -> list[Case]:
    """A clip's folder in AFEW."""
    kind = "AFEW, counted in clips"
    return [
        Case(kind, "a clip of one frame", on("001.jpg", gone), WORKS),
        Case(kind, "a clip without a face in any frame", faceless, WORKS),
        Case(kind, "a class of one clip", _without_others, LINE, "'sadness' has 1 clip"),
    ]


def listed_clips() -> list[Case]:
    """A list of three classes of three pictures."""
    kind = "CSV, counted in clips"
    some = "2 images of no clip"
    return [
        Case(kind, "no column clip", as_it_is, LINE, "none of its 9 images is of a clip"),
        Case(kind, "a clip a picture", _with_clips("abcdefghi"), WORKS),
        Case(kind, "one clip a class", _with_clips("aaabbbccc"), LINE, "1 clip"),
        Case(kind, "pictures of no clip among them", _with_clips("abcdef-h-"), WORKS, some),
    ]


def faceless(clip: Path) -> None:
    for frame in clip.iterdir():
        frame.rename(frame.with_name(f"{frame.stem}_noface.jpg"))


def _without_others(clip: Path) -> None:
    for other in clip.parent.iterdir():
        if other != clip:
            shutil.rmtree(other)


def _with_clips(names: str) -> Spoil:
    """Name the clip of each line by a letter, none by a hyphen."""

    def change(raw: bytes) -> bytes:
        header, *lines = raw.decode().splitlines()
        listed = [f"{line},{name.strip('-')}" for line, name in zip(lines, names, strict=True)]
        return "\n".join([f"{header},clip", *listed]).encode()

    return edited(change)
