"""Write drawn faces in the layouts of further data sets, beside RAF-DB/ and AFEW/ of the drawn set.

Each adapter writes its own layout, small: a few people, every one with every class.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image

from fewshot_fer.config.schema import DemoConfig
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter
from fewshot_fer.data.cache_folder import cache_folder, writing_cache
from fewshot_fer.data.demo.plan import Shot
from fewshot_fer.data.demo.writer import draw_shots
from fewshot_fer.system.files import atomic_folder
from fewshot_fer.system.locks import locked

FEWEST, MOST = 6, 20  # people: 6 are enough for 5 shots and a query of other people


def ensure_layouts(root: Path, names: Sequence[str], demo: DemoConfig) -> None:
    """Write the layouts of adapters into the drawn set at `root`, as far as they are not there.

    An adapter that has none, such as `folder`, is passed over. Every picture is a function of the
    seed and of what it shows. Raises WriteError.
    """
    for name in names:
        adapter = find_adapter(name)
        if adapter.write is None or (root / adapter.home).is_dir():
            continue
        people = min(MOST, max(FEWEST, round(MOST * demo.scale)))
        drawn = DrawnSet(root, people, partial(_draw, seed=demo.seed))
        lock = cache_folder() / "locks" / f"{root.name}-{name}.lock"
        with writing_cache("the embedded data set", cache_folder()), locked(lock):
            if not (root / adapter.home).is_dir():
                with atomic_folder(root / adapter.home) as folder:
                    adapter.write(folder, drawn)


def _draw(portraits: Sequence[Portrait], seed: int) -> list[list[Image.Image]]:
    """Return the pictures of each portrait, one, or as many as the clip has frames."""
    shots = [_shot(portrait) for portrait in portraits]
    pictures = (Image.open(BytesIO(drawn.jpeg)) for drawn in draw_shots(shots, seed))
    return [[next(pictures) for _ in shot.paths] for shot in shots]


def _shot(portrait: Portrait) -> Shot:
    # The key is of what is shown, so that two layouts can hold the very same picture.
    digest = hashlib.blake2b(repr(portrait).encode(), digest_size=6).digest()
    paths = tuple(str(frame) for frame in range(portrait.n_frames or 1))
    clip = "clip" if portrait.n_frames else ""
    key = int.from_bytes(digest, "big")
    return Shot(paths, "", "", portrait.label, portrait.person, clip, key)
