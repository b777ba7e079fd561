"""The set of drawn faces that comes with the package, in the layouts of the real data sets."""

import os
import sys
from pathlib import Path

from fewshot_fer.config.names import at_least, inside

VERSION = 1
"""Counts up when the pictures change, so that a cache never mixes two generations."""
DRAWING = "FEWSHOT_FER_DRAWING"
"""Of the environment of processes that draw: the number of the one that they draw for."""


def ensure_demo(cache: Path, scale: float = 1.0, seed: int = 0) -> Path:
    """Return the root of the set of drawn faces, drawing it first if it is not there.

    The folder holds RAF-DB/, AFEW/ and labels.csv, and appears whole or not at all. cache: the
    folder of drawn sets; scale: above 0 and at most 20; 1 draws some 5,400 pictures in under a
    minute; seed: every picture is a function of it and of the scale, never of the number of
    processes. Raises ConfigError for a scale or seed out of range, DataError where the cache cannot
    be written.
    """
    inside("demo.scale", scale, 0.0, 20.0, above_low=True)
    at_least("demo.seed", seed, 0)
    root = Path(cache) / f"demo-v{VERSION}-scale{scale:.12g}-seed{seed}"
    if not root.is_dir():
        if os.environ.get(DRAWING, str(os.getpid())) != str(os.getpid()):
            # A script without a main guard is run again by each process that draws for it. That
            # would wait for the lock which the script holds; without them it draws alone.
            sys.exit(1)
        # Import the renderer late: most runs find the set drawn.
        from fewshot_fer.data.cache_folder import writing_cache
        from fewshot_fer.data.demo.writer import write_demo
        from fewshot_fer.system.locks import locked

        with (
            writing_cache("the embedded data set", Path(cache)),
            locked(Path(cache) / "locks" / f"{root.name}.lock"),
        ):
            if not root.is_dir():
                write_demo(root, scale, seed)
    return root
