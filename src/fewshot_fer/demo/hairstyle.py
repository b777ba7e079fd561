"""Hairstyles of invented people."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]


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
    fringe = (
        generator.uniform(0.1, 0.32)
        if generator.random() < (0.4 if sex == "female" else 0.25)
        else 0.0
    )
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
