"""Faults of videos, which `predict` reads frame by frame."""

from pathlib import Path

import numpy as np

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    as_it_is,
    edited,
    folder_instead,
    gone,
    gone_folder,
    on,
    text,
    truncated,
    with_variable,
)
from bad_input.good_files import picture

PREPARED = ("prepare", "videos=clips", "out=frames", "device=cpu", "jobs=1")
UNREADABLE = "(status `unreadable`)"


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.avi\n#EXT-X-ENDLIST\n"
JOINED = "ffconcat version 1.0\nfile other.avi\n"
FEW, ENOUGH = ("FEWSHOT_FER_MAX_FRAMES", "5"), ("FEWSHOT_FER_MAX_FRAMES", "12")


def write_video(root: Path) -> Path:
    """Write a film of twelve frames; return it."""
    return _write(root / "film.avi")


def write_clips(root: Path) -> Path:
    """Write a clip of FERV39k; return it."""
    folder = root / "clips/Action/Happy"
    folder.mkdir(parents=True)
    return _write(folder / "0001.avi")


def write_films(root: Path) -> Path:
    """Write AFEW as films, one of it; return that."""
    folder = root / "AFEW/Train_AFEW/Sad"
    folder.mkdir(parents=True)
    return _write(folder / "000105000.avi")


def _write(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for number in range(12):
            pixels = np.asarray(picture(number, side=64))
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def videos() -> list[Case]:
    """A film; one that cannot be read has a row that says so, as others may stand beside it."""
    kind = "video"
    return [
        Case(kind, "truncated", edited(truncated), WORKS),
        Case(kind, f"empty {UNREADABLE}", text(b""), WORKS),
        Case(kind, f"text in its place {UNREADABLE}", text("hello"), WORKS),
        Case(kind, f"hostile: a playlist of other files {UNREADABLE}", text(PLAYLIST), WORKS),
        Case(kind, f"hostile: a list of files to join {UNREADABLE}", text(JOINED), WORKS),
        Case(kind, "longer than FEWSHOT_FER_MAX_FRAMES allows", with_variable(*FEW), WORKS),
        Case(kind, "as long as FEWSHOT_FER_MAX_FRAMES allows", with_variable(*ENOUGH), WORKS),
        Case(kind, "rubbish in its middle", edited(_rubbish), WORKS),
        Case(kind, "missing", gone, LINE, "film.avi"),
        Case(kind, "an empty folder in its place", folder_instead, LINE, "film.avi"),
    ]


def films() -> list[Case]:
    """A clip of AFEW, which `prepare` cuts into frames; manifest.csv says what became of it."""
    kind = "film of AFEW"
    return [
        Case(kind, "truncated", edited(truncated), WORKS),
        Case(kind, "empty", text(b""), WORKS),
        Case(kind, "text in its place", text("hello"), WORKS),
        Case(kind, "a folder in its place", folder_instead, LINE),
        Case(kind, "a class that is not known", on("../Bored", _one_more), LINE, "Bored"),
        Case(kind, "all missing", on("../../../AFEW", gone_folder), LINE, "AFEW"),
        Case(kind, "sound", as_it_is, WORKS),
    ]


def clips() -> list[Case]:
    """Clips of any data set, which `prepare videos=` cuts into frames in folders of their names."""
    kind, shards = "clip of a data set", (*PREPARED, "shards=4")
    return [
        Case(kind, "truncated", edited(truncated), WORKS),
        Case(kind, "sound, in a shard of four", as_it_is, WORKS, words=(*shards, "shard=0")),
        Case(kind, "shards, and not which", as_it_is, LINE, "shard=range(4)", words=shards),
        Case(kind, "another file of the same clip", on("0001.mp4", _another), LINE, "both become"),
        Case(kind, "a clip in a folder of its name", on("0001/1.avi", _another), LINE, "rename"),
        Case(kind, "all missing", gone, LINE, "no videos"),
    ]


def _another(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"RIFF")


def _one_more(folder: Path) -> None:
    folder.mkdir()
    (folder / "000105001.avi").write_bytes(b"RIFF")


def _rubbish(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + b"\x00\xff" * 100 + raw[middle + 200 :]
