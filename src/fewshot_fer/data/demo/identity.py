"""Invent people: face shape, age, sex, skin, eyes, brows and hair, each a function of a number.

Colours are sRGB 0..1; origins [3] are a person's shares of african, asian and caucasian.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fewshot_fer.data.demo.hair import Hair, draw_hair
from fewshot_fer.data.demo.mesh import Floats, Head, Integers

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
_OPPOSITES = (
    ("incr", "decr"),
    ("up", "down"),
    ("in", "out"),
    ("forward", "backward"),
    ("convex", "concave"),
    ("compress", "uncompress"),
)
# These targets look like an expression, so a person carries only a little of them.
_LIKE_EXPRESSIONS = (
    *("mouth-angles", "eyebrows", "eye-height", "eye-corner", "lip-ext", "lip-middle"),
)


@dataclass(frozen=True)
class Identity:
    """One person.

    phenotype [P] and local [L] are weights of the head's shapes; colours are sRGB 0..1; the iris
    radius and the measures of the brow are in decimetres; eye_opening is a weight of the eyeWide
    units; beard, freckles, wrinkles, teeth (their white) and lashes run from 0 to 1.
    """

    number: int
    age: int
    sex: str
    phenotype: Floats
    local: Floats
    skin: Floats
    lips: Floats
    iris: Floats
    iris_radius: float
    hair: Hair
    eye_opening: float
    brow_color: Floats
    brow_thickness: float
    brow_arch: float
    brow_height: float
    beard: float
    freckles: float
    wrinkles: float
    teeth: float
    lashes: float


def draw_identity(head: Head, seed: int, number: int) -> Identity:
    """Return person ``number`` of the set drawn from ``seed``."""
    generator = np.random.default_rng([seed, 101, number])
    age = int(np.clip(generator.gamma(5.0, 7.5), 8, 80))
    sex = "female" if generator.random() < 0.5 else "male"
    origins = generator.dirichlet((0.25, 0.25, 0.25))
    skin = draw_skin(origins, generator)
    hair_color = draw_hair_color(origins, age, generator)
    adult_male = sex == "male" and age > 17
    painted_lips = sex == "female" and age > 16 and generator.random() < 0.35
    return Identity(
        number=number,
        age=age,
        sex=sex,
        phenotype=_draw_phenotype(head, origins, age, sex, generator),
        local=_draw_local(head, generator),
        skin=skin,
        lips=draw_lips(skin, painted_lips, generator),
        iris=draw_iris(origins, generator),
        iris_radius=float(generator.uniform(0.062, 0.07)),
        hair=draw_hair(hair_color, origins, age, sex, generator),
        eye_opening=float(generator.uniform(0.1, 0.7)),
        brow_color=np.minimum(hair_color * 0.6, skin * 0.45),
        brow_thickness=float(generator.uniform(0.022, 0.036) * (1.2 if sex == "male" else 0.9)),
        brow_arch=float(generator.uniform(0.015, 0.05)),
        brow_height=float(generator.normal(0.0, 0.012)),
        beard=float(generator.beta(0.5, 1.0)) if adult_male else 0.0,
        freckles=float(generator.random() ** 4 * np.clip(skin[0] * 3 - 1.9, 0, 1)),
        wrinkles=float(np.clip((age - 28) / 45, 0, 1)),
        teeth=float(generator.uniform(0.75, 0.97)),
        lashes=generator.uniform(*((0.5, 1.0) if sex == "female" else (0.2, 0.6))),
    )


def _draw_phenotype(
    head: Head, origins: NDArray[np.float64], age: int, sex: str, generator: Generator
) -> Floats:
    """Blend ethnicity, age and sex as the head's makers do; nobody is wholly one sex."""
    child = np.clip((22 - age) / 12, 0, 1)
    old = np.clip((age - 28) / 45, 0, 1)
    ages = {"child": child, "young": 1 - child - old, "old": old}
    own = generator.uniform(0.75, 1.0)
    sexes = {sex: own, "male" if sex == "female" else "female": 1 - own}
    heavy = np.clip(generator.normal(0.0, 0.5), -1, 1)
    weights = np.zeros(len(head.phenotypes), np.float32)
    for name, index in head.phenotypes.items():
        words = name.split("-")
        share = sexes[words[1]] * ages[words[2]]
        if words[0] == "universal":
            side = {"minweight": -1, "maxweight": 1}.get(words[4], 0)
            weights[index] = share * (max(0.0, heavy * side) if side else 1 - abs(heavy))
        else:
            place = ("african", "asian", "caucasian").index(words[0])
            weights[index] = share * origins[place]
    return weights


def _draw_local(head: Head, generator: Generator) -> Floats:
    """Give some of the paired targets a random turn one way or the other."""
    one, other, gains = _local_pairs(head)
    turn = generator.normal(0.0, 0.26, len(one))
    active = generator.random(len(one)) < 0.45
    weights = np.zeros(len(head.locals), np.float32)
    chosen = np.where(turn > 0, one, other)
    weights[chosen[active]] = (np.minimum(np.abs(turn), 0.85) * gains)[active]
    # The asset's mouth is small for its face; a wider one shows more of the expression.
    weights[head.locals["mouth-scale-horiz-incr"]] += 0.35
    return weights


@lru_cache(maxsize=1)
def _local_pairs(head: Head) -> tuple[Integers, Integers, Floats]:
    """Return the local targets as pairs of opposites (a loner is its own), and their gains."""
    pairs, gains = [], []
    for name, index in head.locals.items():
        stem, _, way = name.rpartition("-")
        if any(way == second for _, second in _OPPOSITES):
            continue
        opposite = dict(_OPPOSITES).get(way)
        pairs.append((index, head.locals.get(f"{stem}-{opposite}", index)))
        subtle = 0.3 if any(word in name for word in _LIKE_EXPRESSIONS) else 1.0
        gains.append(subtle if opposite else 0.3 if stem.startswith("asym") else 0.7)
    one, other = np.array(pairs).T
    return one, other, np.array(gains, np.float32)


def draw_skin(origins: NDArray[np.float64], generator: Generator) -> Floats:
    """Return a skin between the light and the dark end of the person's origins."""
    light, dark = origins @ _SKIN
    share = generator.random()
    between = light * share + dark * (1 - share)
    return np.asarray(between + generator.normal(0, 0.012, 3), np.float32)


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
