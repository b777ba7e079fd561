"""Files and frames to pixels, a block at a time, the next block under way while one is used."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.cores import core_count
from fewshot_fer.errors import DataError

Pixels = NDArray[np.uint8]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Shot:
    """A picture or a frame as it was read.

    pixels: [H, W, 3] of a photograph or frame, [3, S, S] of a crop, None where it cannot be read;
    reason: why not; frame, seconds: place in a video, from 0, None for a picture.
    """

    file: Path
    pixels: Pixels | None = None
    reason: str = ""
    frame: int | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Return the file as tables and pictures have it."""
        return printable(str(self.file))


def read_pictures(
    files: Sequence[Path], read: Callable[[Path], Pixels], block: int
) -> Iterator[list[Shot]]:
    """Yield the pictures in order, `block` at a time; at most two blocks are in memory.

    Pillow decodes without holding up other threads. A file that `read` raises DataError for is a
    shot with a reason.
    """

    def shoot(file: Path) -> Shot:
        try:
            return Shot(file, read(file))
        except DataError as error:
            return Shot(file, reason=_one_line(error))

    blocks = (files[start : start + block] for start in range(0, len(files), block))
    with ThreadPoolExecutor(core_count()) as pool:
        tasks = ([pool.submit(shoot, file) for file in part] for part in blocks)
        for under_way in _ahead(tasks):
            yield [future.result() for future in under_way]


def read_video(file: Path, fps: float | None, block: int) -> Iterator[list[Shot]]:
    """Yield the frames of a video, `block` at a time.

    Where it breaks off, or nothing can be read at all, the last shot says why and has no pixels.
    """
    shots = _frames(file, fps)
    with ThreadPoolExecutor(1) as pool:  # one thread: frames can only be decoded in order
        tasks = (
            pool.submit(lambda: list(itertools.islice(shots, block))) for _ in itertools.count()
        )
        for under_way in _ahead(tasks):
            part = under_way.result()
            if not part:
                return
            yield part


def _frames(file: Path, fps: float | None) -> Iterator[Shot]:
    from fewshot_fer.videos import read_frames

    try:
        for frame in read_frames(file, fps):
            yield Shot(file, frame.pixels, frame=frame.number, seconds=frame.seconds)
    except DataError as error:
        yield Shot(file, reason=_one_line(error))


def printable(text: str) -> str:
    """Return a text that can be written as UTF-8, whatever bytes a file's name has."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _one_line(error: DataError) -> str:
    return printable(" ".join(str(error).split()))


def _ahead(tasks: Iterable[Item]) -> Iterator[Item]:
    """Yield items, each once the one after it has been started."""
    waiting: deque[Item] = deque()
    for task in tasks:
        waiting.append(task)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting
