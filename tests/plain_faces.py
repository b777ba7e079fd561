"""Plain pictures in the place of drawn faces: what adapters write their layouts with, at once."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter


def write_plain(name: str, folder: Path, people: int = 2) -> Path:
    """Write an adapter's layout into folder/<home> and return that folder."""
    adapter = find_adapter(name)
    assert adapter.write is not None
    home = folder / adapter.home
    home.mkdir(parents=True)
    adapter.write(home, DrawnSet(folder, people, _draw))
    return home


def _draw(portraits: Sequence[Portrait]) -> list[list[Image.Image]]:
    """Return pictures of one colour, which the portrait alone tells."""
    colours = [zlib.crc32(repr(portrait).encode()).to_bytes(4, "big") for portrait in portraits]
    sizes = [portrait.n_frames or 1 for portrait in portraits]
    return [
        [Image.new("RGB", (100, 100), (c[0], c[1], c[2]))] * n
        for c, n in zip(colours, sizes, strict=True)
    ]
