"""The baked head: a mesh, offsets of identity and expression, and how to add them up."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

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

    def vertices_of(self, part: str) -> Integers:
        """Return the indices of the vertices of a part, such as "eye"."""
        return np.unique(self.triangles[self.parts == self.part_names.index(part)])

    @cached_property
    def eye_vertices(self) -> tuple[Integers, Integers]:
        """The vertices of the face's right and left eyeball (left and right on the screen)."""
        eyes = self.vertices_of("eye")
        return eyes[self.vertices[eyes, 0] < 0], eyes[self.vertices[eyes, 0] > 0]

    @cached_property
    def lip_vertices(self) -> Integers:
        """The vertices of the red of the lips."""
        return np.flatnonzero(self.masks["lips"] > 0.8)


def _weighted(weights: Floats, offsets: Floats) -> Floats:
    used = np.flatnonzero(weights)
    # Not "@": its threads cost more than they bring here, and may round differently.
    return np.asarray(np.einsum("t,tvc->vc", weights[used], offsets[used]), np.float32)


def _index(names: NDArray[np.str_]) -> dict[str, int]:
    return {str(name): number for number, name in enumerate(names)}


@lru_cache(maxsize=1)
def load_head() -> Head:
    """Read the asset, once per process (a tenth of a second, 25 MB)."""
    with np.load(ASSET, allow_pickle=False) as asset:
        part_names = tuple(str(name) for name in asset["part_names"])
        masks = asset["masks"].astype(np.float32) / 255
        vertices = asset["vertices"].copy()
        triangles, parts = (
            asset["triangles"].astype(np.int64),
            asset["triangle_parts"].astype(np.int64),
        )
        teeth = np.unique(triangles[parts == part_names.index("teeth")])
        moves_with_jaw = (
            np.abs(asset["unit_offsets"][_index(asset["unit_names"])["jawOpen"]]).sum(1) > 0
        )
        vertices[teeth[~moves_with_jaw[teeth]]] += _UPPER_TEETH_MOVE
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
