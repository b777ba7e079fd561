"""Read a video's frames, one after the other, with PyAV, and follow faces through them."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.data.faces.detector import Face
from fewshot_fer.system.errors import DataError, needing_extra

LEAST_OVERLAP = 0.3  # of two boxes of one face, as a share of both together
LONGEST_GAP = 12  # frames that a face may be missed for and still be the same
MAX_FRAMES = "FEWSHOT_FER_MAX_FRAMES"
MOST_FRAMES = 100_000  # an hour at 28 frames a second
MOST_PIXELS = 8192 * 4320  # of a frame
CONTAINERS = (
    *("avi", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpeg", "mpegts", "mpegvideo", "asf"),
    *("flv", "ogg", "gif", "h264", "hevc", "m4v", "mjpeg", "wtv", "mxf", "dv", "rm", "swf"),
)
"""What is read as a video, whatever its name: playlists and lists of parts would open other files.
"""


@dataclass(frozen=True)
class Frame:
    """number: place in the video, from 0; seconds: when it is shown; pixels: uint8 [H, W, 3]."""

    number: int
    seconds: float
    pixels: NDArray[np.uint8]


def read_frames(path: str | Path, fps: float | None = None) -> Iterator[Frame]:
    """Yield the frames of a video as they are shown, all of them or about `fps` a second.

    A camera that was held upright or upside down says so, and its frames are turned. Times may
    begin above 0 and have gaps: nothing is made up for those.

    Raises DataError naming the file where it is missing, no video, damaged or endless; frames in
    front of the damage come first. Raises ConfigError where the extra `video` is not installed.
    """
    av = _library()
    if not Path(path).is_file():
        raise DataError(f"{path} is not a file")
    try:
        confined = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
        with av.open(str(path), options=confined, metadata_errors="replace") as container:
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
    given, number = os.environ.get(MAX_FRAMES, ""), -1
    most = int(given) if given.isdecimal() else MOST_FRAMES
    due = None if fps is None else _Due(fps, rate)
    for number, frame in enumerate(container.decode(stream)):
        if number >= most:
            raise DataError(
                f"{path} has more than {most:,} frames: allow more with the variable {MAX_FRAMES}"
            )
        if frame.width * frame.height > MOST_PIXELS:
            raise DataError(f"{path} has frames of {frame.width}x{frame.height} pixels")
        seconds = float(frame.time) if frame.time is not None else number / rate
        if due is None or due.takes(seconds):
            yield Frame(number, seconds, _upright(frame))
    _check_whole(path, number + 1, stream.frames)


class _Due:
    """Which frames to take for about `fps` a second of a video of `rate`: the nearest to each
    beat, of which the first frame is one."""

    def __init__(self, fps: float, rate: float) -> None:
        self.fps, self.early = fps, 0.5 / rate
        self._first: float | None = None
        self._next = 0  # number of the beat that is waited for

    def takes(self, seconds: float) -> bool:
        """Tell whether a frame is the one for a beat; one behind a gap stands for all before it."""
        self._first = seconds if self._first is None else self._first
        beat = (seconds + self.early - self._first) * self.fps
        if beat < self._next:
            return False
        self._next = math.floor(beat) + 1
        return True


def _upright(frame: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - of a library that may be missing
    """Return the pixels uint8 [H, W, 3] of a frame, turned as its video says."""
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    quarters = round(frame.rotation / 90)  # counterclockwise, as np.rot90 has it
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def _check_whole(path: str | Path, found: int, announced: int) -> None:
    """Raise DataError where a file that was cut off ended without a word from its decoder.

    Headers may be off by some frames, so only a tenth that is missing counts.
    """
    if not found:
        raise DataError(f"{path} has no frames that can be decoded")
    if announced and found < 0.9 * announced:
        raise DataError(f"{path} breaks off after {found} of {announced} frames")


def _library() -> Any:  # noqa: ANN401 - the module itself
    with needing_extra("video", "reading videos"):
        import av
    av.logging.set_level(av.logging.PANIC)  # its remarks on damage go past Python to the screen
    return av


@dataclass
class Track:
    """One face through a clip: frame number -> its place among the faces of that frame."""

    places: dict[int, int] = field(default_factory=dict)
    faces: list[Face] = field(default_factory=list)

    @property
    def mean_area(self) -> float:
        """Square pixels."""
        return sum(face.area for face in self.faces) / len(self.faces)

    def add(self, frame: int, place: int, face: Face) -> None:
        """Note that it was seen."""
        self.places[frame] = place
        self.faces.append(face)


def follow(frames: Sequence[Sequence[Face]]) -> list[Track]:
    """Return the tracks of all faces in a clip's frames.

    Each face continues the track whose latest box it overlaps most, the best pairs first; what
    overlaps none begins a new one.
    """
    tracks: list[Track] = []
    for number, faces in enumerate(frames):
        open_tracks = [track for track in tracks if number - max(track.places) <= LONGEST_GAP]
        pairs = sorted(
            (
                (overlap(track.faces[-1], face), of_track, place)
                for of_track, track in enumerate(open_tracks)
                for place, face in enumerate(faces)
            ),
            reverse=True,
        )
        taken_tracks: set[int] = set()
        taken: set[int] = set()
        for share, of_track, place in pairs:
            if share >= LEAST_OVERLAP and of_track not in taken_tracks and place not in taken:
                open_tracks[of_track].add(number, place, faces[place])
                taken_tracks.add(of_track)
                taken.add(place)
        for place, face in enumerate(faces):
            if place not in taken:
                tracks.append(Track({number: place}, [face]))
    return tracks


def persistent(frames: Sequence[Sequence[Face]]) -> Track | None:
    """Return the track that most frames have, of equally long ones that of the larger face."""
    tracks = follow(frames)
    return max(tracks, key=lambda track: (len(track.places), track.mean_area), default=None)


def overlap(one: Face, other: Face) -> float:
    """Return the common area of two boxes as a share, 0..1, of what they cover together."""
    left, top = max(one.box[0], other.box[0]), max(one.box[1], other.box[1])
    right, bottom = min(one.box[2], other.box[2]), min(one.box[3], other.box[3])
    common = max(0.0, right - left) * max(0.0, bottom - top)
    together = one.area + other.area - common
    return common / together if together > 0 else 0.0
