"""Videos that tests write."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Frames = Sequence[np.ndarray]


def write_film(
    path: Path, frames: Frames, rate: int = 10, places: Sequence[int] | None = None
) -> Path:
    """Write frames [height, width, 3] as a video, `rate` of them a second.

    places: of the frames in time, in frames; by default one after the other.
    """
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate, stream.options = "yuv420p", 4_000_000, {"g": "5"}
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if places is not None:
                frame.pts, frame.time_base = places[number], Fraction(1, rate)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


def write_y4m(path: Path, pictures: Sequence[Image.Image], rate: int = 10) -> Path:
    """Write pictures of one size as raw video, which a browser's fake camera takes."""
    width, height = pictures[0].size
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            pixels = np.asarray(picture.convert("YCbCr"))
            planes = (pixels[..., 0], pixels[::2, ::2, 1], pixels[::2, ::2, 2])
            film.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))
    return path


def squares(pictures: Sequence[Path], side: int = 64) -> Frames:
    """Return pictures as frames, squares of `side` pixels."""
    return [np.asarray(Image.open(file).convert("RGB").resize((side, side))) for file in pictures]
