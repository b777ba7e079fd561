"""Colours of an invented person: skin, hair, iris and lips, all sRGB 0..1.

origins [3] are a person's shares of african, asian and caucasian.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Light and dark end for each origin, [2, 3, 3].
_SKIN = np.array(
    [
        [(0.64, 0.45, 0.34), (0.94, 0.77, 0.65), (0.93, 0.76, 0.67)],
        [(0.37, 0.25, 0.19), (0.77, 0.57, 0.45), (0.80, 0.60, 0.48)],
    ]
)
_HAIR = np.array(
    [
        (0.07, 0.06, 0.06),
        (0.16, 0.10, 0.07),
        (0.30, 0.19, 0.11),
        (0.45, 0.30, 0.17),
        (0.68, 0.53, 0.32),
        (0.50, 0.24, 0.12),
    ],
    np.float32,
)
_GREY = np.array((0.68, 0.67, 0.66), np.float32)
_IRIS = np.array(
    [(0.20, 0.11, 0.06), (0.33, 0.20, 0.10), (0.30, 0.38, 0.24), (0.33, 0.47, 0.60)], np.float32
)


def draw_skin(origins: NDArray[np.float64], generator: Generator) -> Floats:
    """Return a skin between the light and the dark end of the person's origins."""
    light, dark = origins @ _SKIN
    share = generator.random()
    return np.asarray(
        light * share + dark * (1 - share) + generator.normal(0, 0.012, 3), np.float32
    )


def draw_hair_color(origins: NDArray[np.float64], age: int, generator: Generator) -> Floats:
    """Return a hair colour; only caucasian hair is often light, and it greys from 42 on."""
    choice = generator.integers(6) if generator.random() < origins[2] else generator.integers(2)
    color = _HAIR[choice] * generator.uniform(0.8, 1.2)
    grey = np.clip((age - 42) / 25, 0, 1) * generator.uniform(0.3, 1.0)
    return np.asarray(color * (1 - grey) + _GREY * grey, np.float32)


def draw_iris(origins: NDArray[np.float64], generator: Generator) -> Floats:
    """Return an iris colour; only caucasian eyes are often light."""
    choice = generator.integers(1, 4) if generator.random() < origins[2] else 0
    return np.asarray(_IRIS[choice] * generator.uniform(0.8, 1.25), np.float32)


def draw_lips(skin: Floats, painted: bool, generator: Generator) -> Floats:
    """Return the colour of lips, with lipstick if painted."""
    bare = skin * np.array((0.90, 0.69, 0.67)) + np.array((0.02, 0.0, 0.01))
    share = 0.4 * painted
    red = np.array((0.72, 0.18, 0.24)) * generator.uniform(0.7, 1.1)
    return np.asarray(bare * (1 - share) + red * share, np.float32)
