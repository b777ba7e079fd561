"""Find the pictures and videos that `images=` names and read them, block by block.

The next block is read by other threads while one is used.
"""

import glob
import importlib.util
import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.data.listing import (
    VIDEO_ENDINGS,
    as_on_disk,
    contents,
    image_endings,
    left_out_remarks,
    walk_images,
)
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.errors import ConfigError, DataError

READABLE = "pictures (.jpg, .png, ...) or videos (.avi, .mp4, ...)"
Pixels = NDArray[np.uint8]
Task = TypeVar("Task")
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Inputs:
    """Files in the order in which they are classified: pictures first, then videos."""

    pictures: list[Path]
    videos: list[Path]

    def __len__(self) -> int:
        return len(self.pictures) + len(self.videos)


@dataclass(frozen=True)
class SourceImage:
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


def find_inputs(named: list[str], key: str = "images") -> Inputs:
    """Return the files behind names of files, folders (with all below them) and globs.

    key: of the setting that names them, for messages.
    A file that is named itself is taken whatever its ending: it may turn out unreadable. A file
    that is named twice is read once. Raises DataError where a name leads to nothing, and
    ConfigError where the extra for videos is missing.
    """
    files = [file for name in named for file in _files(name, key)]
    files = list(dict.fromkeys(files))
    videos = [file for file in files if file.suffix.lower() in VIDEO_ENDINGS]
    if videos and importlib.util.find_spec("av") is None:
        raise ConfigError(
            f"{videos[0]} is a video: reading those needs pip install 'fewshot_fer[video]'"
        )
    return Inputs([file for file in files if file.suffix.lower() not in VIDEO_ENDINGS], videos)


def read_pictures(
    files: Sequence[Path], read: Callable[[Path], Pixels], block: int
) -> Iterator[list[SourceImage]]:
    """Yield the pictures in order, `block` at a time; at most two blocks are in memory.

    A file that `read` raises DataError for has a reason in the place of pixels.
    """

    def source(file: Path) -> SourceImage:
        try:
            return SourceImage(file, read(file))
        except DataError as error:
            return SourceImage(file, reason=_one_line(error))

    blocks = (files[start : start + block] for start in range(0, len(files), block))
    with ThreadPoolExecutor(core_count()) as pool:  # Pillow decodes without holding up threads
        tasks = ([pool.submit(source, file) for file in of_block] for of_block in blocks)
        for started in _one_ahead(tasks):
            yield [future.result() for future in started]


def read_video(file: Path, fps: float | None, block: int) -> Iterator[list[SourceImage]]:
    """Yield the frames of a video, `block` at a time.

    Where it breaks off, or nothing can be read at all, the last one says why and has no pixels.
    """
    frames = _frames(file, fps)
    with ThreadPoolExecutor(1) as pool:  # one thread: frames can only be decoded in order
        tasks = (
            pool.submit(lambda: list(itertools.islice(frames, block))) for _ in itertools.count()
        )
        for started in _one_ahead(tasks):
            sources = started.result()
            if not sources:
                return
            yield sources


def printable(text: str) -> str:
    """Return a text that can be written as UTF-8, whatever bytes a file's name has."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _files(name: str, key: str) -> list[Path]:
    path = as_on_disk(Path(name).expanduser())
    if path.is_file():
        return [path]
    if path.is_dir():
        return _files_below(path, key)
    nearest = next(p for p in (path.parent, *path.parent.parents) if p.exists())
    pattern = str(path.relative_to(nearest))  # brackets in the names of folders are no pattern
    if not glob.has_magic(pattern):
        raise DataError(f"{key}={name}: no such file or folder; in {nearest}: {contents(nearest)}")
    # Not Path.glob, which finds hidden files too.
    found = sorted(nearest / f for f in glob.glob(pattern, root_dir=nearest, recursive=True))  # noqa: PTH207
    if not found:
        raise DataError(f"{key}={name}: no file has a name like that")
    files = (_files_below(each, key) if each.is_dir() else [each] for each in found)
    return [file for of_each in files for file in of_each]


def _files_below(folder: Path, key: str) -> list[Path]:
    left_out: Counter[str] = Counter()
    files = walk_images(folder, (*image_endings(), *VIDEO_ENDINGS), left_out)
    for remark in left_out_remarks(left_out, folder):
        log.info("%s", remark)
    if not files:
        raise DataError(f"{key}={folder}: no {READABLE} in it ({contents(folder)})")
    return files


def _frames(file: Path, fps: float | None) -> Iterator[SourceImage]:
    from fewshot_fer.data.faces.video import read_frames

    try:
        for frame in read_frames(file, fps):
            yield SourceImage(file, frame.pixels, frame=frame.number, seconds=frame.seconds)
    except DataError as error:
        yield SourceImage(file, reason=_one_line(error))


def _one_line(error: DataError) -> str:
    return printable(" ".join(str(error).split()))


def _one_ahead(tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield tasks, each once the one after it has been started."""
    waiting: deque[Task] = deque()
    for task in tasks:
        waiting.append(task)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting
