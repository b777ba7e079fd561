"""Load the head's mesh, shape it by identity and expression, and rasterise it in plain numpy.

A face's triangles at 100x100 are about a pixel wide, so every pixel of every bounding box is
tested at once and nothing loops over triangles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
ASSET = Path(__file__).parent / "assets" / "head.npz"
# The teeth of the asset mark where a denture fits; moved so (decimetres), a smile uncovers them.
_UPPER_TEETH_MOVE = np.array([0.0, -0.022, -0.03], np.float32)


@dataclass(frozen=True, eq=False)
class Head:
    """The mesh and its offset fields, in decimetres: x to the face's left, y up, z to the viewer.

    vertices [V, 3] is the rest shape that carries the paint; the offsets are [T, V, 3].
    triangles [F, 3] wind clockwise on a screen whose y points down.
    """

    vertices: Floats
    triangles: Integers
    parts: Integers
    part_names: tuple[str, ...]
    masks: Mapping[str, Floats]
    units: Mapping[str, int]
    unit_offsets: Floats
    phenotypes: Mapping[str, int]
    phenotype_offsets: Floats
    locals: Mapping[str, int]
    local_offsets: Floats

    def shape(self, phenotype: Floats, local: Floats) -> Floats:
        """Return one identity's neutral vertices [V, 3] from its weights [P] and [L]."""
        return (
            self.vertices
            + _weighted(phenotype, self.phenotype_offsets)
            + _weighted(local, self.local_offsets)
        )

    def express(self, shape: Floats, units: Floats) -> Floats:
        """Return an identity's vertices [V, 3] under face-unit weights [52]."""
        return shape + _weighted(units, self.unit_offsets)

    @cached_property
    def eye_vertices(self) -> tuple[Integers, Integers]:
        """The vertices of the face's right and left eyeball (left and right on the screen)."""
        eyes = np.unique(self.triangles[self.parts == self.part_names.index("eye")])
        return eyes[self.vertices[eyes, 0] < 0], eyes[self.vertices[eyes, 0] > 0]


def _weighted(weights: Floats, offsets: Floats) -> Floats:
    used = np.flatnonzero(weights)
    # Not "@": its threads cost more than they bring here, and may round differently.
    return np.asarray(np.einsum("t,tvc->vc", weights[used], offsets[used]), np.float32)


def smooth_step(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a smooth way from 0 to 1 of values from 0 to 1; beyond, it stays."""
    bounded = value.clip(0, 1)
    return np.asarray(bounded * bounded * (3 - 2 * bounded))


def _index(names: NDArray[np.str_]) -> dict[str, int]:
    return {str(name): number for number, name in enumerate(names)}


@lru_cache(maxsize=1)
def load_head() -> Head:
    """Read the asset, once per process (a tenth of a second, 25 MB)."""
    with np.load(ASSET, allow_pickle=False) as asset:
        part_names = tuple(str(name) for name in asset["part_names"])
        masks = asset["masks"].astype(np.float32) / 255
        vertices = asset["vertices"].copy()
        triangles = asset["triangles"].astype(np.int64)
        parts = asset["triangle_parts"].astype(np.int64)
        teeth = np.unique(triangles[parts == part_names.index("teeth")])
        jaw = asset["unit_offsets"][_index(asset["unit_names"])["jawOpen"]]
        vertices[teeth[np.abs(jaw).sum(1)[teeth] <= 0]] += _UPPER_TEETH_MOVE
        return Head(
            vertices=vertices,
            triangles=triangles[:, [0, 2, 1]],
            parts=parts,
            part_names=part_names,
            masks={name: masks[number] for name, number in _index(asset["mask_names"]).items()},
            units=_index(asset["unit_names"]),
            unit_offsets=asset["unit_offsets"].astype(np.float32),
            phenotypes=_index(asset["phenotype_names"]),
            phenotype_offsets=asset["phenotype_offsets"].astype(np.float32),
            locals=_index(asset["local_names"]),
            local_offsets=asset["local_offsets"].astype(np.float32),
        )


class Fragments(NamedTuple):
    """The N covered pixels of a picture: flat pixel index, triangle, barycentric weights."""

    pixel: Integers
    triangle: Integers
    first: Floats
    second: Floats
    third: Floats

    def interpolate(self, triangles: Integers, values: Floats) -> Floats:
        """Return vertex values [V, C] at the fragments, [N, C]."""
        corners = triangles.take(self.triangle, axis=0)
        result = values.take(corners[:, 0], axis=0)
        result *= self.first[:, None]
        for place, weight in ((1, self.second), (2, self.third)):
            share = values.take(corners[:, place], axis=0)
            share *= weight[:, None]
            result += share
        return result


class Candidates(NamedTuple):
    """Triangles that face the camera and whose box holds a pixel centre.

    plane [C, 9] gives the second weight, the third weight and the nearness at (x, y) as
    a x + b y + c; left, top, width and pixels [C] describe the box.
    """

    triangle: Integers
    plane: Floats
    left: Integers
    top: Integers
    width: Integers
    pixels: Integers


def rasterise(points: Floats, triangles: Integers, size: int) -> Fragments:
    """Return the nearest fragment of every covered pixel of a square picture.

    ``points`` [V, 3] are pixels right, pixels down and nearness (any unit, larger is nearer).
    ``triangles`` [F, 3] wind clockwise on the screen (y down) when they face the camera.
    """
    found = _candidates(points, triangles, size)
    owner = np.repeat(np.arange(len(found.pixels)), found.pixels)
    in_box = np.arange(len(owner)) - np.repeat(np.cumsum(found.pixels) - found.pixels, found.pixels)
    down = in_box // found.width.take(owner)
    column = in_box - down * found.width.take(owner) + found.left.take(owner)
    row = down + found.top.take(owner)
    x, y = column.astype(np.float32) + 0.5, row.astype(np.float32) + 0.5
    plane = [found.plane[:, place].take(owner) for place in range(6)]
    second = plane[0] * x + plane[1] * y + plane[2]
    third = plane[3] * x + plane[4] * y + plane[5]
    # Neighbours share an edge exactly; the tolerance closes the pinholes that rounding would leave.
    inside = np.flatnonzero((second > -1e-4) & (third > -1e-4) & (second + third < 1.0001))
    owner, second, third = owner.take(inside), second.take(inside), third.take(inside)
    slope = found.plane[:, 6:].take(owner, axis=0)
    depth = slope[:, 0] + slope[:, 1] * second + slope[:, 2] * third
    pixel, winner = _nearest(row.take(inside) * size + column.take(inside), depth, size)
    second, third = second.take(winner), third.take(winner)
    triangle = found.triangle.take(owner.take(winner))
    return Fragments(pixel, triangle, 1 - second - third, second, third)


def _candidates(points: Floats, triangles: Integers, size: int) -> Candidates:
    x, y, near = (np.ascontiguousarray(points[:, axis]).take(triangles.T) for axis in range(3))
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    left, right = _pixel_span(x, size)
    top, bottom = _pixel_span(y, size)
    kept = np.flatnonzero((area > 1e-9) & (right >= left) & (bottom >= top))
    x, y, near, inverse = x[:, kept], y[:, kept], near[:, kept], 1 / area[kept]
    plane = np.empty((len(kept), 9), np.float32)
    plane[:, 0], plane[:, 1] = (y[2] - y[0]) * inverse, (x[0] - x[2]) * inverse
    plane[:, 3], plane[:, 4] = (y[0] - y[1]) * inverse, (x[1] - x[0]) * inverse
    plane[:, 2] = -(plane[:, 0] * x[0] + plane[:, 1] * y[0])
    plane[:, 5] = -(plane[:, 3] * x[0] + plane[:, 4] * y[0])
    plane[:, 6], plane[:, 7], plane[:, 8] = near[0], near[1] - near[0], near[2] - near[0]
    width = right[kept] - left[kept] + 1
    count = width * (bottom[kept] - top[kept] + 1)
    return Candidates(kept, plane, left[kept], top[kept], width, count)


def _pixel_span(place: Floats, size: int) -> tuple[Integers, Integers]:
    """Return the first and last pixel whose centre lies within corners [3, F] along one axis."""
    low = np.minimum(np.minimum(place[0], place[1]), place[2])
    high = np.maximum(np.maximum(place[0], place[1]), place[2])
    first = np.ceil(low - 0.5).clip(0, size).astype(np.int64)
    return first, np.floor(high - 0.5).clip(-1, size - 1).astype(np.int64)


def _nearest(pixel: Integers, depth: Floats, size: int) -> tuple[Integers, Integers]:
    """Return the covered pixels and, for each, the index of its nearest fragment."""
    # 16 bits keep a tenth of a millimetre apart and let numpy sort by radix, ten times faster.
    farthest, nearest = (depth.min(), depth.max()) if len(depth) else (0.0, 1.0)
    level = (depth - farthest) * (65535 / max(float(nearest - farthest), 1e-6))
    order = np.argsort(level.astype(np.uint16), kind="stable")
    owner = np.full(size * size, -1, np.int64)
    owner[pixel.take(order)] = order
    covered = np.flatnonzero(owner >= 0)
    return covered, owner.take(covered)


def vertex_normals(points: Floats, triangles: Integers) -> Floats:
    """Return unit normals [V, 3] of a mesh, each triangle weighing as its area.

    ``points`` have y up, ``triangles`` the winding of ``rasterise``.
    """
    x, y, z = (np.ascontiguousarray(points[:, axis]).take(triangles.T) for axis in range(3))
    ax, ay, az = x[2] - x[0], y[2] - y[0], z[2] - z[0]
    bx, by, bz = x[1] - x[0], y[1] - y[0], z[1] - z[0]
    across = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    flat = triangles.T.ravel()
    sums = [np.bincount(flat, np.tile(part, 3), len(points)) for part in across]
    length = np.sqrt(sums[0] ** 2 + sums[1] ** 2 + sums[2] ** 2).clip(1e-12)
    return np.stack([part / length for part in sums], axis=1).astype(np.float32)
