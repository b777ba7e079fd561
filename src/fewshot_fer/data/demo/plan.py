"""Plan the set of drawn faces: each picture's file, class and person, and how a clip moves."""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from fewshot_fer.data.demo.mesh import smooth_step
from fewshot_fer.data.labels import (
    AFEW_CLIP_COUNTS,
    BASIC,
    COMPOUND,
    RAFDB_BASIC_COUNTS,
    RAFDB_COMPOUND_COUNTS,
)

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
FOLDERS: dict[str, str] = dict(
    zip(
        AFEW_CLIP_COUNTS["val"],
        ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"),
        strict=True,
    )
)
"""AFEW's folder name of every class."""
# Share of the real sets' images and clips at scale 1: as much as two cores draw in 45 seconds.
_BASIC_SHARE, _COMPOUND_SHARE = 0.16, 0.26
_CLIP_SHARE = {"train": 0.19, "val": 0.225}
# Enough for a 5-shot episode of other images, or of other clips, at any scale.
_FEWEST = {"train": 12, "test": 4}
_FEWEST_CLIPS = 7
_IMAGES_PER_PERSON = 2
NO_FACE = "noface"
# People of one part are numbered from here, so that no two parts share a face.
_PEOPLE = {"basic train": 0, "basic test": 10**6, "compound": 2 * 10**6, "afew": 3 * 10**6}


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
    rise = start + (1 - start) * smooth_step(time / peak)
    fall = end + (1 - end) * smooth_step((1 - time) / (1 - peak))
    strength = np.minimum(rise, fall)
    swing = generator.normal(0, (0.10, 0.05, 0.04, 1.5, 1.5), 5)
    speed, phase = generator.uniform(1.5, 4.0, 5), generator.uniform(0, 2 * np.pi, 5)
    path = np.sin(time[:, None] * speed + phase) * swing
    return [Moment(float(s), *map(float, row)) for s, row in zip(strength, path, strict=True)]


class Shot(NamedTuple):
    """One picture, or one clip of several: where it goes and what it shows.

    paths are relative to the root, in posix form; key seeds everything but the person. A path that
    holds NO_FACE shows the scene without anyone.
    """

    paths: tuple[str, ...]
    dataset: str
    split: str
    label: str
    person: int
    clip: str
    key: int


def plan_shots(scale: float, seed: int) -> list[Shot]:
    """Return every shot of the set; the same for the same arguments."""
    shots = []
    for place, split in enumerate(("train", "test")):
        counts = {label: count_basic(split, label, scale) for label in BASIC}
        shots += _plan_stills("basic", split, counts, _PEOPLE[f"basic {split}"], [seed, 1, place])
    for place, split in enumerate(("train", "test")):
        counts = {label: count_compound(label, scale)[split] for label in COMPOUND}
        first = _PEOPLE["compound"] + place * 500_000
        shots += _plan_stills("compound", split, counts, first, [seed, 2, place])
    return [*shots, *_plan_afew(scale, seed)]


def count_basic(split: str, label: str, scale: float) -> int:
    """Return how many images of a basic class are drawn in a split."""
    wanted = round(RAFDB_BASIC_COUNTS[split][label] * _BASIC_SHARE * scale)
    return max(_FEWEST[split], wanted)


def count_compound(label: str, scale: float) -> dict[str, int]:
    """Return how many images of a compound class are drawn per split, about four to one."""
    wanted = round(RAFDB_COMPOUND_COUNTS[label] * _COMPOUND_SHARE * scale)
    total = max(_FEWEST["train"], wanted)
    train = ceil(total * 0.8)
    return {"train": train, "test": total - train}


def count_clips(split: str, label: str, scale: float) -> int:
    """Return how many clips of a class are drawn in a split of AFEW."""
    return max(_FEWEST_CLIPS, round(AFEW_CLIP_COUNTS[split][label] * _CLIP_SHARE[split] * scale))


def _plan_stills(
    subset: str, split: str, counts: dict[str, int], first_person: int, entropy: list[int]
) -> list[Shot]:
    """Shuffle the classes over the numbers and hand out people, two images each."""
    generator = np.random.default_rng(entropy)
    labels = [label for label, count in counts.items() for _ in range(count)]
    order = generator.permutation(len(labels))
    people = first_person + generator.permutation(len(labels)) // _IMAGES_PER_PERSON
    shots = []
    for number, (place, person) in enumerate(zip(order, people, strict=True), start=1):
        digits = 5 if split == "train" else 4  # as in RAF-DB
        path = f"RAF-DB/{subset}/Image/aligned/{split}_{number:0{digits}d}_aligned.jpg"
        key = _key(f"rafdb_{subset}", split, number)
        shots.append(Shot((path,), f"rafdb_{subset}", split, labels[place], int(person), "", key))
    return shots


def _plan_afew(scale: float, seed: int) -> list[Shot]:
    shots: list[Shot] = []
    for place, split in enumerate(("train", "val")):
        generator = np.random.default_rng([seed, 3, place])
        for label, folder in FOLDERS.items():
            for clip in clip_ids(split, label, count_clips(split, label, scale), generator):
                number = len(shots)
                base = f"AFEW/{split.capitalize()}_AFEW/{folder}/{clip}"
                names = _frame_names(scale, number, generator)
                paths = tuple(f"{base}/{name}" for name in names)
                key = _key("afew", split, number)
                shots.append(Shot(paths, "afew", split, label, _PEOPLE["afew"] + number, clip, key))
    return shots


def _frame_names(scale: float, number: int, generator: np.random.Generator) -> list[str]:
    """Name a clip's frames; in every ninth clip the face leaves the picture once."""
    frames = int(generator.integers(8, 10)) if scale >= 0.2 else 3
    names = [f"{frame:03d}.jpg" for frame in range(1, frames + 1)]
    if number % 9 == 4:
        gone = int(generator.integers(frames // 2, frames))
        names[gone] = f"{gone + 1:03d}_{NO_FACE}.jpg"
    return names


def _key(dataset: str, split: str, number: int) -> int:
    parts = ("rafdb_basic", "rafdb_compound", "afew").index(dataset), split != "train"
    return (parts[0] * 2 + parts[1]) * 10**6 + number
