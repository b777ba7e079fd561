"""Frames of a video, decoded one after the other with PyAV."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.errors import ConfigError, DataError

MAX_FRAMES = "FEWSHOT_FER_MAX_FRAMES"
MOST_FRAMES = 100_000  # an hour at 28 frames a second
MOST_PIXELS = 8192 * 4320  # of a frame


@dataclass(frozen=True)
class Frame:
    """number: place in the video, from 0; seconds: when it is shown; pixels: uint8 [H, W, 3]."""

    number: int
    seconds: float
    pixels: NDArray[np.uint8]


def read_frames(path: str | Path, fps: float | None = None) -> Iterator[Frame]:
    """Yield the frames of a video, all of them or about `fps` a second.

    Raises DataError naming the file where it is missing, no video, damaged or endless; frames in
    front of the damage come first. Raises ConfigError where the extra `video` is not installed.
    """
    av = _library()
    if not Path(path).is_file():
        raise DataError(f"{path} is not a file")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise DataError(f"{path} has no pictures in it")
            yield from _frames(container, path, fps)
    except (av.FFmpegError, ValueError, OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{path} is no video, or damaged: {reason}") from error


def _frames(container: Any, path: str | Path, fps: float | None) -> Iterator[Frame]:  # noqa: ANN401
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    rate = float(stream.average_rate or 25)
    number, due, most = -1, 0.0, _most_frames()
    for number, frame in enumerate(container.decode(stream)):
        if number >= most:
            raise DataError(
                f"{path} has more than {most:,} frames: allow more with the variable {MAX_FRAMES}"
            )
        if frame.width * frame.height > MOST_PIXELS:
            raise DataError(f"{path} has frames of {frame.width}x{frame.height} pixels")
        seconds = float(frame.time) if frame.time is not None else number / rate
        if fps is None or seconds >= due - 0.5 / rate:
            due += 0.0 if fps is None else 1 / fps
            yield Frame(number, seconds, frame.to_ndarray(format="rgb24"))
    _check_whole(path, number + 1, stream.frames)


def _check_whole(path: str | Path, found: int, announced: int) -> None:
    """Raise DataError where a file that was cut off ended without a word from its decoder.

    Headers may be off by some frames, so only a tenth that is missing counts.
    """
    if not found:
        raise DataError(f"{path} has no frames that can be decoded")
    if announced and found < 0.9 * announced:
        raise DataError(f"{path} breaks off after {found} of {announced} frames")


def _most_frames() -> int:
    given = os.environ.get(MAX_FRAMES, "")
    return int(given) if given.isdecimal() else MOST_FRAMES


def _library() -> Any:  # noqa: ANN401 - the module itself
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            f"reading videos takes the extra 'video' ({error}): pip install 'fewshot_fer[video]'"
        ) from error
    av.logging.set_level(av.logging.PANIC)  # its remarks on damage go past Python to the screen
    return av
