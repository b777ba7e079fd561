"""Draw hair: its style, what of the head it covers, how far it stands off, its strands."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fewshot_fer.data.demo.mesh import Floats, Head

_NOISE = np.random.default_rng(11).uniform(-1, 1, 512).astype(np.float32)


@dataclass(frozen=True)
class Hair:
    """Style of the hair, in decimetres but for curl 0..1 and phase, which sets the strands apart.

    line is the height of the hairline over the average, recession how far temples and crown have
    lost it, fringe how far it falls over the forehead, parting where, and length how far long hair
    hangs below the eyes (0 is short hair). color is sRGB 0..1.
    """

    color: Floats
    line: float
    recession: float
    volume: float
    curl: float
    fringe: float
    parting: float
    length: float
    phase: float


def draw_hair(
    color: Floats, origins: NDArray[np.float64], age: int, sex: str, generator: Generator
) -> Hair:
    """Draw a hairstyle; origins [3] are the shares of african, asian and caucasian."""
    curl = float(np.clip(generator.beta(0.8, 2.0) + origins[0] * generator.uniform(0.2, 0.8), 0, 1))
    bald = sex == "male" and age > 35 and generator.random() < 0.25
    recession = generator.uniform(0.1, 0.35) if bald else generator.uniform(-0.02, 0.1)
    long = generator.random() < (0.7 if sex == "female" else 0.06)
    fringed = generator.random() < (0.4 if sex == "female" else 0.25)
    fringe = generator.uniform(0.1, 0.32) if fringed else 0.0
    return Hair(
        color=color,
        line=float(generator.normal(0.0, 0.04)),
        recession=float(recession),
        volume=float(generator.uniform(0.05, 0.11) + 0.14 * curl * generator.random()),
        curl=curl,
        fringe=0.0 if bald else float(fringe),
        parting=float(generator.uniform(-0.35, 0.35)),
        length=float(generator.uniform(0.7, 1.8)) if long and not bald else 0.0,
        phase=float(generator.uniform(0, 100)),
    )


def reach(rest: Floats, hair: Hair) -> Floats:
    """Return how deep in the hair rest points [N, 3] lie, in decimetres; skin is below 0."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    back = (1.3 - z).clip(0, 1.6)
    depth = y - (7.97 + hair.line) + 1.15 * back
    temples = np.exp(-(((x - 0.42) / 0.16) ** 2))
    depth = depth - hair.recession * (0.5 + temples) * (z > 0.6)
    # No hair on the cheek in front of the ear, nor on the neck.
    depth = np.minimum(depth, (y - 6.95 - 0.35 * z) * 2)
    if hair.length > 0:
        # Long hair hides the ears and frames the cheeks.
        depth = np.maximum(depth, np.minimum(x - 0.60, (0.95 - z) * 0.5))
    return np.asarray(depth, np.float32)


def stand_off(head: Head, shape: Floats, normals: Floats, hair: Hair) -> Floats:
    """Return the shape [V, 3] with the hair's volume put on along the normals."""
    depth = reach(head.vertices, hair)
    ears = head.masks["ears"]
    lumps = 1 + 0.5 * hair.curl * np.sin(head.vertices @ np.array([19, 23, 17]) + hair.phase)
    thickness = hair.volume * (depth / 0.15).clip(0, 1) * lumps * ((ears < 0.1) | (hair.length > 0))
    return np.asarray(shape + normals * thickness[:, None], np.float32)


def strands(rest: Floats, hair: Hair) -> tuple[Floats, Floats]:
    """Return the strands' brightness and the raggedness of the hair's edge, both about -1..1."""
    x, y, z = rest[:, 0] - hair.parting * 0.5, rest[:, 1], rest[:, 2]
    wave = hair.curl * 0.12
    bend = wave * np.sin(y * 14 + hair.phase) + 0.05 * np.sin(y * 5 + x * 3)
    along = np.arctan2(x + bend, 0.35 + (8.75 - y).clip(0, 3) * 0.2) * 60 + z * 14
    fine = _line_noise(along + hair.phase)
    coarse = _line_noise(along * 0.31 + 2 * hair.phase + y * 2)
    curly = np.sin(x * 46 + 5 * np.sin(y * 31)) * np.sin(y * 43 + z * 37 + hair.phase)
    bright = (1 - hair.curl) * (0.6 * fine + 0.6 * coarse) + hair.curl * curly
    return bright.astype(np.float32), coarse.astype(np.float32)


def fringe_reach(rest: Floats, hair: Hair, ragged: Floats) -> Floats:
    """Return how far inside the fringe points lie (dm); without a fringe all are far outside."""
    if hair.fringe == 0:
        return np.full(len(rest), -1.0, np.float32)
    slope = 0.12 * np.abs(rest[:, 0] - hair.parting)
    edge = 7.97 - hair.fringe - slope + 0.05 * ragged
    return np.asarray(np.where(rest[:, 2] > 0.3, rest[:, 1] - edge, -1.0), np.float32)


def paint_behind(canvas: Floats, hair: Hair, centre: tuple[float, float], scale: float) -> None:
    """Paint the long hair that hangs behind a head onto a canvas [H, W, 3] of linear colours.

    centre is the eyes' middle (column, row), scale the pixels of a decimetre there.
    """
    if hair.length == 0:
        return
    across = (np.arange(canvas.shape[1], dtype=np.float32) - centre[0]) / scale
    down = (np.arange(canvas.shape[0], dtype=np.float32) - centre[1]) / scale
    edge = 0.76 + hair.volume + 0.16 * (down / hair.length).clip(0, 1)
    edge = edge + (0.02 + 0.04 * hair.curl) * _line_noise(down * (4 + 5 * hair.curl) + hair.phase)
    ends = hair.length + 0.1 * _line_noise(across * 12 + hair.phase)
    inside = (np.abs(across)[None, :] < edge[:, None]) & (down[:, None] < ends[None, :])
    bend = hair.curl * 0.08 * np.sin(down * 14 + hair.phase)
    bright = _line_noise(((across[None, :] + bend[:, None]) * 34 + hair.phase)[inside])
    color = hair.color * (0.7 + 0.3 * bright)[:, None]
    canvas[inside] = (color * color) * 0.45


def _line_noise(place: Floats) -> Floats:
    """Return smooth noise of one coordinate, period 512, about -1..1."""
    whole = np.floor(place)
    part = (place - whole).astype(np.float32)
    index = whole.astype(np.int64) & 511
    return np.asarray(_NOISE[index] * (1 - part) + _NOISE[(index + 1) & 511] * part, np.float32)
