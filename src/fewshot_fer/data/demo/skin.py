"""Paint every visible point: skin with its folds, lips, brows, eyes, teeth and hair."""

from dataclasses import dataclass

import numpy as np

from fewshot_fer.data.demo import hair, skin_maps
from fewshot_fer.data.demo.action_units import Strengths
from fewshot_fer.data.demo.identity import Identity
from fewshot_fer.data.demo.mesh import Floats, Head, Integers

# The middle of the face's left eyeball on the rest shape, decimetres.
_EYE_X, _EYE_Y = 0.3077, 7.2842
# How much each unit deepens a fold, at full strength.
_FOLDS: dict[str, dict[int, float]] = {
    "forehead": {1: 0.35, 2: 0.45},
    "glabella": {4: 0.95, 9: 0.25},
    "nose": {9: 1.0, 10: 0.2},
    "nasolabial": {9: 0.45, 10: 0.7, 11: 0.75, 12: 0.55, 6: 0.2},
    "crow": {6: 0.8, 12: 0.15},
    "lower_lid": {6: 0.7, 7: 0.6, 9: 0.3},
    "eye_bag": {6: 0.3, 9: 0.2},
    "chin": {17: 0.9, 24: 0.25, 23: 0.2},
    "corner": {15: 0.75, 17: 0.15, 24: 0.3},
    "stretch": {20: 0.8},
}
_AGED = {
    "forehead": 0.3,
    "nasolabial": 0.45,
    "crow": 0.3,
    "eye_bag": 0.4,
    "glabella": 0.2,
    "corner": 0.2,
}
# What each paint takes away from red, green and blue at full strength.
_BLUSH = np.array((0.0, 0.10, 0.10), np.float32)
_FRECKLES = np.array((0.11, 0.18, 0.22), np.float32)
_FOLD = np.array((0.42, 0.50, 0.52), np.float32)
_GUMS = np.array((0.30, 0.09, 0.09), np.float32)


@dataclass
class Surface:
    """The visible points: rest place [N, 3], part [N], masks [N, 3] of lips, lids and mouth."""

    rest: Floats
    part: Integers
    masks: Floats


def paint(
    head: Head, surface: Surface, person: Identity, strengths: Strengths
) -> tuple[Floats, Floats]:
    """Return the albedo [N, 3], linear 0..1, and the gloss [N] of every visible point."""
    color = _skin(surface.rest, surface.masks, person, strengths)
    gloss = 0.1 + 0.15 * surface.masks[:, 0]
    eye, teeth, tongue, lash = (
        np.flatnonzero(surface.part == head.part_names.index(name))
        for name in ("eye", "teeth", "tongue", "lash")
    )
    color[eye] = eye_color(surface.rest[eye], person)
    color[teeth] = teeth_color(surface.rest[teeth], person)
    color[tongue] = (0.62, 0.27, 0.27)
    color[lash] = person.skin * 0.45 * (1 - person.lashes) + 0.05
    gloss[eye], gloss[teeth] = 0.3, 0.3
    color *= color
    return color, gloss


def fold_depths(person: Identity, strengths: Strengths) -> Floats:
    """Return the weight of every map of skin_maps.NAMES on this face now."""
    mean = {unit: (left + right) / 2 for unit, (left, right) in strengths.items()}
    depths = dict.fromkeys(skin_maps.NAMES, 0.0)
    for name, units in _FOLDS.items():
        moved = sum(gain * mean.get(unit, 0.0) for unit, gain in units.items())
        aged = _AGED.get(name, 0.0) * person.wrinkles
        depths[name] = min(1.1, moved * (0.75 + 0.35 * person.wrinkles) + aged)
    depths["lid_fold"] = 0.45
    depths["socket"] = 0.3
    return np.array([depths[name] for name in skin_maps.NAMES], np.float32)


def _skin(rest: Floats, masks: Floats, person: Identity, strengths: Strengths) -> Floats:
    texel = skin_maps.texels(rest[:, 0], rest[:, 1])
    mottle, blush, freckles, stubble = (
        skin_maps.maps()[skin_maps.NAMES.index(name)].take(texel)
        for name in ("mottle", "blush", "freckles", "stubble")
    )
    depths = fold_depths(person, strengths)
    folds = np.einsum("m,mt->t", depths, skin_maps.maps()).take(texel).clip(0, 1.2)
    color = np.asarray(person.skin * (0.95 + 0.1 * mottle)[:, None], np.float32)
    _darken(color, blush, _BLUSH)
    _darken(color, person.freckles * freckles, _FRECKLES)
    mix(color, stubble * person.beard * (0.35 + 0.4 * mottle), person.brow_color * 0.9)
    _darken(color, folds, _FOLD)
    mix(color, ramp(masks[:, 0], 0.3, 0.7), person.lips)
    paint_brows(color, rest, person)
    _scalp(color, rest, person)
    color[masks[:, 2] > 0.5] = _GUMS * (0.6 if person.skin[0] < 0.5 else 0.8)
    return color


def _darken(color: Floats, share: Floats, absorbed: Floats) -> None:
    color *= 1 - share[:, None] * absorbed


def _scalp(color: Floats, rest: Floats, person: Identity) -> None:
    """Paint the hair that lies on the head, and its fringe."""
    lowest = 5.6 if person.hair.length > 0 else 6.9
    place = np.flatnonzero(rest[:, 1] > lowest)
    depth = hair.reach(rest.take(place, axis=0), person.hair)
    edge = 7.97 - person.hair.fringe - 0.2 if person.hair.fringe > 0 else 9.0
    near = np.flatnonzero((depth > -0.06) | (rest[:, 1].take(place) > edge))
    place, depth = place.take(near), depth.take(near)
    points = rest.take(place, axis=0)
    bright, ragged = hair.strands(points, person.hair)
    depth = np.maximum(depth + 0.05 * ragged, hair.fringe_reach(points, person.hair, ragged))
    painted = color.take(place, axis=0)
    strands = person.hair.color * (1 + 0.45 * bright)[:, None]
    # Thin at the line, where skin shines through, dense behind it.
    mix(painted, ramp(depth, 0.0, 0.07), strands)
    color[place] = painted


def mix(color: Floats, share: Floats, other: Floats) -> None:
    """Blend another colour [3] or [N, 3] into colours [N, 3], in place, by a share [N]."""
    color += share[:, None] * (other - color)


def ramp(value: Floats, low: float, high: float) -> Floats:
    """Return 0 up to low, 1 from high on, straight in between."""
    return np.asarray(((value - low) * (1 / (high - low))).clip(0, 1), value.dtype)


def paint_brows(color: Floats, rest: Floats, person: Identity) -> None:
    """Paint the brows: a tapering arch of short hairs over each eye."""
    place = np.flatnonzero((np.abs(rest[:, 1] - 7.48) < 0.16) & (rest[:, 2] > 0.9))
    x, y = np.abs(rest[place, 0]), rest[place, 1]
    along = (x - 0.105) * (1 / 0.43)
    arch = 1 - ((along - 0.55) / 0.55) ** 2
    middle = 7.462 + person.brow_height + person.brow_arch * arch - 0.012 * along
    half = person.brow_thickness * (1.1 - 0.75 * along.clip(0, 1) ** 1.5)
    inside = ramp(1.25 - np.abs(y - middle) / half, 0.0, 0.5)
    ends = ramp(along, -0.03, 0.08) * ramp(1 - along, -0.02, 0.15)
    hairs = 0.85 + 0.15 * np.sin(x * 120 + y * 70)
    painted = color[place]
    mix(painted, (inside * ends * hairs).astype(np.float32), person.brow_color)
    color[place] = painted


def eye_color(rest: Floats, person: Identity) -> Floats:
    """Return the white, iris, pupil and glint of the eyes [N, 3]; the mesh carries them along."""
    x, y = np.abs(rest[:, 0]) - _EYE_X, rest[:, 1] - _EYE_Y
    radius = np.hypot(x, y) / person.iris_radius
    color = np.empty((len(rest), 3), np.float32)
    color[:] = (0.90, 0.88, 0.86)
    color *= (1 - 0.35 * ramp(y, 0.03, 0.12) - 0.15 * ramp(np.abs(x), 0.06, 0.13))[:, None]
    ring = 0.75 + 0.5 * ramp(radius, 0.4, 0.85) - 0.65 * ramp(radius, 0.8, 1.0)
    iris = person.iris * ring[:, None]
    share = ramp(1.06 - radius, 0.0, 0.12)[:, None]
    color += share * (iris - color)
    color *= (1 - 0.92 * ramp(0.5 - radius, 0.0, 0.1))[:, None]
    glint = np.hypot(rest[:, 0] - np.sign(rest[:, 0]) * _EYE_X - 0.022, y - 0.028)
    color += (0.85 * ramp(0.021 - glint, 0.0, 0.008))[:, None]
    return color.clip(0, 1)


def teeth_color(rest: Floats, person: Identity) -> Floats:
    """Return teeth with gaps and gums [N, 3], darker at the sides."""
    gaps = ramp(np.abs(((np.abs(rest[:, 0]) / 0.078) % 1) - 0.5), 0.4, 0.5)
    white = person.teeth * (1 - 0.12 * gaps) * (1 - 0.55 * ramp(np.abs(rest[:, 0]), 0.12, 0.32))
    gums = ramp(np.abs(rest[:, 1] - 6.635), 0.115, 0.15)
    color = white[:, None] * np.array((1.0, 0.97, 0.90), np.float32)
    mix(color, gums, np.array((0.62, 0.32, 0.32), np.float32))
    return color
