"""Write any number of short clips: a drawn face that moves before a wall."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLOCK = 20  # clips of a folder
LENGTHS = range(2, 9)  # frames of a clip
HEIGHT, WIDTH, FACE = 240, 320, 120  # pixels
WALL = (120, 130, 140)


def write_clips(folder: Path, count: int, demo: Path) -> Path:
    """Write `count` videos of 2 to 8 frames as <block>/<number>.mp4, BLOCK of them in a folder.

    Frames are small and clips short: whatever is not the detector's own work weighs most there.
    """
    files = sorted((demo / "AFEW").rglob("*.jpg"))
    faces = [_face(file) for file in files[:: max(1, len(files) // 100)]]
    random = np.random.default_rng(0)
    for number in range(count):
        length = int(random.choice(LENGTHS))
        top, left = random.integers(0, (HEIGHT - FACE, WIDTH - FACE - 2 * length))
        first = int(random.integers(len(faces)))
        frames = [
            _frame(faces[(first + each) % len(faces)], top, left + 2 * each)
            for each in range(length)
        ]
        _write(folder / f"{number // BLOCK:04}" / f"{number:05}.mp4", frames)
    return folder


def blocks(folder: Path) -> list[Path]:
    """Return the folders of clips, in order."""
    return sorted(folder.iterdir())


def _face(file: Path) -> NDArray[np.uint8]:
    with Image.open(file) as opened:
        return np.asarray(opened.convert("RGB").resize((FACE, FACE)))


def _frame(face: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    frame = np.full((HEIGHT, WIDTH, 3), WALL, dtype=np.uint8)
    frame[top : top + FACE, left : left + FACE] = face
    return frame


def _write(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    import av  # an extra

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.bit_rate = 2_000_000
        for pixels in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode())
