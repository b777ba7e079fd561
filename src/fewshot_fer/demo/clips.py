"""Clips of the embedded AFEW: their ids and how an expression and a head move over the frames."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

NAMED: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "anger": ("004108160", "002338014", "002613894"),
        "disgust": ("002138680", "005923627", "003236644", "005153760"),
        "happiness": ("000231280", "001335200"),
        "fear": ("002828240", "011613697", "013949200"),
        "neutral": ("005533800", "000909960", "002144977"),
        "sadness": ("002302057", "002643280", "005206720", "001703120"),
        "surprise": ("005913697", "002730440", "000252168", "013437680"),
    },
    "val": {"happiness": ("001703120",), "surprise": ("005153760",)},
}
"""Clips that exist at every scale. Two ids occur in both splits, as in the real set."""

FOLDERS: dict[str, str] = {
    "anger": "Angry",
    "disgust": "Disgust",
    "fear": "Fear",
    "happiness": "Happy",
    "neutral": "Neutral",
    "sadness": "Sad",
    "surprise": "Surprise",
}
"""AFEW's folder name of every class."""


class Moment(NamedTuple):
    """One frame: share of the apex 0..1, the head's turn (radians) and its way (pixels)."""

    strength: float
    yaw: float
    pitch: float
    roll: float
    right: float
    down: float


def clip_ids(split: str, label: str, count: int, generator: Generator) -> list[str]:
    """Return ``count`` clip ids, the named ones first, then start times drawn as HHMMSSmmm."""
    ids = list(NAMED[split].get(label, ()))
    named = {clip for labels in NAMED.values() for clips in labels.values() for clip in clips}
    while len(ids) < count:
        hour, minute, second = generator.integers(2), generator.integers(60), generator.integers(60)
        clip = f"{hour:02d}{minute:02d}{second:02d}{generator.integers(1000):03d}"
        if clip not in named and clip not in ids:
            ids.append(clip)
    return ids


def draw_moments(frames: int, generator: Generator) -> list[Moment]:
    """Return the frames of one clip: onset, apex and offset, and a small motion of the head."""
    time = np.linspace(0, 1, frames)
    peak = generator.uniform(0.35, 0.65)
    start, end = generator.uniform(0.3, 0.6), generator.uniform(0.3, 0.6)
    rise = start + (1 - start) * _ease(time / peak)
    fall = end + (1 - end) * _ease((1 - time) / (1 - peak))
    strength = np.minimum(rise, fall)
    swing = generator.normal(0, (0.10, 0.05, 0.04, 1.5, 1.5), 5)
    speed, phase = generator.uniform(1.5, 4.0, 5), generator.uniform(0, 2 * np.pi, 5)
    path = np.sin(time[:, None] * speed + phase) * swing
    return [Moment(float(s), *map(float, row)) for s, row in zip(strength, path, strict=True)]


def _ease(time: NDArray[np.float64]) -> NDArray[np.float64]:
    bounded = time.clip(0, 1)
    return np.asarray(bounded * bounded * (3 - 2 * bounded))
