"""Choose frames of posed sequences, which run from a neutral face to the apex of an expression."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops

from fewshot_fer.data.listing import natural_key
from fewshot_fer.system.files import Row

N_APEX = 3  # frames at the end of a sequence, as is usual with CK+ and Oulu-CASIA
FIRST = (0, 1)  # numbers that a sequence begins with
NEUTRAL = "neutral"


class PosedFrame(NamedTuple):
    """A frame by its name, its place in the sequence from 0, and whether it shows the apex."""

    name: str
    place: int
    apex: bool


def posed_frames(names: Sequence[str], last: int | None = None) -> list[PosedFrame]:
    """Return the first frame of a sequence, which is neutral, and its last three, the apex.

    names: of all frames, in any order. last: the number of the frame that the sequence
    ends with, where a list tells it. In a damaged copy the first frame is no neutral one if its
    number is neither 0 nor 1, and of the last ones those count that are near the end.
    """
    # A frame that was saved anew in another format, beside the first, is the same one.
    names = [*{Path(n).stem.casefold(): n for n in sorted(names, key=natural_key)}.values()]
    numbers = [frame_number(name) for name in names]
    neutral = [place for place in range(len(names[:1])) if numbers[place] in FIRST]
    apex = list(range(len(neutral), len(names)))[-N_APEX:]
    if last is not None and last not in numbers[-1:]:
        apex = [place for place in apex if last - N_APEX < numbers[place] <= last]
    chosen = [(place, False) for place in neutral] + [(place, True) for place in apex]
    return [PosedFrame(names[place], place, is_apex) for place, is_apex in chosen]


def posed_rows(folder: Path, frames: Sequence[PosedFrame], clip: str, label: str) -> list[Row]:
    """Return a row for each frame, with path, label, clip and frame.

    The neutral frame is a clip of its own, since a clip has one label.
    """
    return [
        {
            "path": str(folder / frame.name),
            "label": label if frame.apex else NEUTRAL,
            "clip": clip if frame.apex else f"{clip}/{NEUTRAL}",
            "frame": frame.place,
        }
        for frame in frames
    ]


def frame_number(name: str) -> int:
    """Return the last number in a file's name, -1 without any.

    >>> frame_number("S005_001_00000011.png"), frame_number("000.jpeg")
    (11, 0)
    """
    numbers = re.findall(r"[0-9]+", Path(name).stem)
    return int(numbers[-1]) if numbers else -1


def drawn_sequence(neutral: Image.Image, apex: Image.Image, take: int) -> list[Image.Image]:
    """Return a neutral picture, one between, and three of the apex, none the same as another.

    take: tells apart sequences that share the neutral picture.
    """
    start = ImageChops.offset(neutral, take, 0)
    ends = [ImageChops.offset(apex, step, 0) for step in range(N_APEX)]
    return [start, Image.blend(start, apex, 0.5), *ends]
