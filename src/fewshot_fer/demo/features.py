"""The painted features that carry an expression: brows, eyes and teeth, on the rest shape."""

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.demo.identity import Identity

Floats = NDArray[np.float32]

# The middle of the face's left eyeball on the rest shape, decimetres.
_EYE_X, _EYE_Y = 0.3077, 7.2842


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
