"""Draw facial action units: which an expression shows, how strongly, how they move the head.

The table is table 1 of Du, Tao and Martinez, "Compound facial expressions of emotion", PNAS 2014:
the units seen in over 70 % of the subjects, then those of a fraction, with the share.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fewshot_fer.data.demo.mesh import Head
from fewshot_fer.data.labels import parts_of

PROTOTYPICAL = 0.85
"""Chance of a prototypical unit; above .7 by the table's definition."""
BACKGROUND = 0.02
"""Chance of a unit that the table does not name for the class."""


class Expression(NamedTuple):
    """The units of one class: prototypical ones, and the share of subjects for the others."""

    prototypical: tuple[int, ...]
    fractions: Mapping[int, float]


TABLE: dict[str, Expression] = {
    "neutral": Expression((), {}),
    "happiness": Expression((12, 25), {6: 0.51}),
    "sadness": Expression((4, 15), {1: 0.60, 6: 0.50, 11: 0.26, 17: 0.67}),
    "fear": Expression((1, 4, 20, 25), {2: 0.57, 5: 0.63, 26: 0.33}),
    "anger": Expression((4, 7, 24), {10: 0.26, 17: 0.52, 23: 0.29}),
    "surprise": Expression((1, 2, 25, 26), {5: 0.66}),
    "disgust": Expression((9, 10, 17), {4: 0.31, 24: 0.26}),
    "happily surprised": Expression((1, 2, 12, 25), {5: 0.64, 26: 0.67}),
    "happily disgusted": Expression((10, 12, 25), {4: 0.32, 6: 0.61, 9: 0.59}),
    "sadly fearful": Expression((1, 4, 20, 25), {2: 0.46, 5: 0.24, 6: 0.34, 15: 0.30}),
    "sadly angry": Expression((4, 15), {6: 0.26, 7: 0.48, 11: 0.20, 17: 0.50}),
    "sadly surprised": Expression((1, 4, 25, 26), {2: 0.27, 6: 0.31}),
    "sadly disgusted": Expression(
        (4, 10), {1: 0.49, 6: 0.61, 9: 0.20, 11: 0.35, 15: 0.54, 17: 0.47, 25: 0.43}
    ),
    "fearfully angry": Expression((4, 20, 25), {5: 0.40, 7: 0.39, 10: 0.30, 11: 0.33}),
    "fearfully surprised": Expression((1, 2, 5, 20, 25), {4: 0.47, 10: 0.35, 11: 0.22, 26: 0.51}),
    "angrily surprised": Expression((4, 25, 26), {5: 0.35, 7: 0.50, 10: 0.34}),
    "angrily disgusted": Expression((4, 10, 17), {7: 0.60, 9: 0.57, 24: 0.36}),
    "disgustedly surprised": Expression((1, 2, 5, 10), {4: 0.45, 9: 0.37, 17: 0.66, 24: 0.33}),
}
# Units of the head per action unit; the gains exaggerate, as a face is only 100 pixels wide here.
MOVES: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 2.1},
    2: {"browOuterUp": 1.6},
    4: {"browDown": 1.6},
    5: {"eyeWide": 2.1},
    6: {"cheekSquint": 1.0, "eyeSquint": 0.4},
    7: {"eyeSquint": 1.2, "eyeBlink": 0.1},
    9: {"noseSneer": 2.0, "browDown": 0.35, "eyeSquint": 0.5},
    10: {"mouthUpperUp": 1.7, "noseSneer": 0.4},
    11: {"mouthUpperUp": 0.4, "noseSneer": 0.6},
    12: {"mouthSmile": 1.25},
    15: {"mouthFrown": 1.9},
    17: {"mouthShrugLower": 1.2, "mouthShrugUpper": 0.2},
    20: {"mouthStretch": 1.5},
    23: {"mouthRollUpper": 0.7, "mouthRollLower": 0.7},
    24: {"mouthPress": 0.5, "mouthRollUpper": 0.5, "mouthRollLower": 0.4, "mouthFrown": 0.25},
    25: {"mouthLowerDown": 0.9, "mouthUpperUp": 0.6, "jawOpen": 0.07},
    26: {"jawOpen": 0.5},
}
STAND_INS: dict[str, Expression] = {
    "contempt": Expression((12, 24), {}),
    "anxiety": Expression((1, 4, 24), {2: 0.4, 7: 0.4}),
    "helplessness": Expression((1, 15, 17), {4: 0.4}),
    "disappointment": Expression((15, 24), {4: 0.4, 17: 0.5}),
}
"""Classes that the table has not, by units that differ from all others: no finding of anyone."""
UNITS: tuple[int, ...] = tuple(MOVES)
Strengths = dict[int, tuple[float, float]]
"""Strength of each active unit on the face's left and right, 0..1."""


def expression_of(label: str) -> Expression:
    """Return the units of a class: of the table, a stand-in's, or else all those of its parts.

    Raises KeyError for a class that has none of these.
    """
    if found := TABLE.get(label) or STAND_INS.get(label):
        return found
    parts = parts_of(label)
    if len(parts) == 1:
        raise KeyError(label)
    listed = [expression_of(part) for part in parts]
    prototypical = {unit for each in listed for unit in each.prototypical}
    fractions = {unit: share for each in listed for unit, share in each.fractions.items()}
    return Expression(tuple(sorted(prototypical)), fractions)


def chances(label: str) -> dict[int, float]:
    """Return the chance of every unit for a class."""
    listed = expression_of(label)
    fixed = dict.fromkeys(listed.prototypical, PROTOTYPICAL)
    return {unit: fixed.get(unit, listed.fractions.get(unit, BACKGROUND)) for unit in UNITS}


def draw_units(label: str, generator: Generator) -> tuple[int, ...]:
    """Draw the active units of one face, each by its own chance."""
    drawn = generator.random(len(UNITS))
    return tuple(u for u, p, x in zip(UNITS, chances(label).values(), drawn, strict=True) if x < p)


def draw_strengths(
    label: str, units: tuple[int, ...], apex: float, generator: Generator
) -> Strengths:
    """Draw how strongly each side shows each unit; background units are weak."""
    listed = expression_of(label)
    strengths: Strengths = {}
    for unit in units:
        belongs = unit in listed.prototypical or unit in listed.fractions
        strength = apex * generator.uniform(0.8, 1.15) if belongs else generator.uniform(0.3, 0.7)
        lean = generator.normal(0.0, 0.08)
        strengths[unit] = (strength * (1 + lean), strength * (1 - lean))
    return strengths


def unit_weights(head: Head, strengths: Strengths) -> NDArray[np.float32]:
    """Return the weights [52] of the head's units under given strengths."""
    weights = np.zeros(len(head.units), np.float32)
    for unit, (left, right) in strengths.items():
        for stem, gain in MOVES[unit].items():
            gain *= _restraint(unit, stem, strengths)
            if stem in head.units:
                weights[head.units[stem]] += gain * (left + right) / 2
            else:
                weights[head.units[stem + "Left"]] += gain * left
                weights[head.units[stem + "Right"]] += gain * right
    return weights


def _restraint(unit: int, stem: str, active: Strengths) -> float:
    """Return how much of a move is left where another active unit pulls against it."""
    if stem == "browDown" and (1 in active or 2 in active):
        return 0.5
    if unit in (23, 24) and (25 in active or 26 in active):
        return 0.4
    return 1.0
