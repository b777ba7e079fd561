"""Write any number of drawn faces: a picture may stand under several names."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fewshot_fer.data.adapters.rafdb import read_rafdb_compound
from fewshot_fer.data.labels import RAFDB_COMPOUND_COUNTS

if TYPE_CHECKING:
    from fewshot_fer.data.packed_images import PackedFaces

LEAST = 12  # images of a class
BLOCK = 500  # images written at a time


def write_faces(folder: Path, count: int, demo: Path) -> Path:
    """Write `count` JPEGs of 100x100 as <class>/<number>.jpg, in RAF-DB compound's proportions.

    A face is used again under another name where the set of drawn faces has too few: reading,
    decoding and embedding a file costs the same whether or not its like was met before.
    """
    table = read_rafdb_compound(demo / "RAF-DB/compound")
    by_class = {
        str(label): itertools.cycle([Path(path).read_bytes() for path in paths])
        for label, paths in table.groupby("label")["path"]
    }
    for label, size in class_sizes(count).items():
        (folder / label).mkdir(parents=True)
        for number in range(size):
            (folder / label / f"{number:06}.jpg").write_bytes(next(by_class[label]))
    return folder


def class_sizes(count: int) -> dict[str, int]:
    """Return class -> images, `count` in all (132 or more): RAF-DB compound's own sizes at 3,954,
    else their proportions, with no class smaller than an episode needs."""
    published = RAFDB_COMPOUND_COUNTS
    spare = count - LEAST * len(published)
    shared = sum(published.values()) - LEAST * len(published)
    sizes = {label: LEAST + spare * (size - LEAST) // shared for label, size in published.items()}
    sizes[max(sizes, key=sizes.__getitem__)] += count - sum(sizes.values())
    return sizes


def write_noise_pack(file: Path, count: int, image_size: int) -> None:
    """Write packed uint8 noise [count, 3, side, side]; a block of it repeats."""
    shape = (count, 3, image_size, image_size)
    random = np.random.default_rng(0)
    block = random.integers(0, 256, (min(BLOCK, count), *shape[1:]), dtype=np.uint8)
    with file.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, count, BLOCK):
            stream.write(block[: count - start].tobytes())


def open_noise_pack(file: Path) -> "PackedFaces":
    """Open what `write_noise_pack` wrote as the library opens its own packs: as a memory map."""
    from fewshot_fer.data.packed_images import PackedFaces  # and torch, which nobody else needs

    return PackedFaces(np.load(file, mmap_mode="r", allow_pickle=False), fingerprint=file.stem)
