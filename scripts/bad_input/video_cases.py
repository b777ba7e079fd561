"""Videos, which `predict` reads frame by frame."""

from pathlib import Path

import numpy as np

from bad_input.case import LINE, WORKS, Case, edited, folder_instead, gone, text
from bad_input.good_files import picture


def write_video(root: Path) -> Path:
    """Write a film of twelve frames; return it."""
    import av

    path = root / "film.avi"
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
        Case(kind, "truncated", edited(lambda raw: raw[: len(raw) // 2]), WORKS),
        Case(kind, "empty (status `unreadable`)", text(b""), WORKS),
        Case(kind, "text in its place (status `unreadable`)", text("hello"), WORKS),
        Case(kind, "rubbish in its middle", edited(_rubbish), WORKS),
        Case(kind, "missing", gone, LINE, "film.avi"),
        Case(kind, "an empty folder in its place", folder_instead, LINE, "film.avi"),
    ]


def _rubbish(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + b"\x00\xff" * 100 + raw[middle + 200 :]
