"""Invented people: face shape, age, sex, skin, eyes and brows, each a function of a number."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fewshot_fer.demo.complexion import draw_hair_color, draw_iris, draw_lips, draw_skin
from fewshot_fer.demo.hairstyle import Hair, draw_hair
from fewshot_fer.demo.head import Head

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

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
    "mouth-angles",
    "eyebrows",
    "eye-height",
    "eye-corner",
    "lip-ext",
    "lip-middle",
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
        lashes=float(
            generator.uniform(0.5, 1.0) if sex == "female" else generator.uniform(0.2, 0.6)
        ),
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
