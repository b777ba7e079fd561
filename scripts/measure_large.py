"""Measure what large data sets cost: packing images, and opening the table of a million frames.

    python scripts/measure_large.py pack --sizes 2000,10000,40000
    python scripts/measure_large.py open --sizes 200000
    python scripts/measure_large.py index --sizes 1000000

`index` makes the folders of clips alone, and a table of frames that would lie in them. Each size is
done in a process of its own, on files that are written to a temporary folder first. Times are those
of the clock and of the processor: the latter do not count neighbours.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
FRAMES = 67  # of a clip
PICTURES = 100  # different ones
SIDE = 84  # of packed images


def write_photographs(root: Path, count: int) -> None:
    """Write JPEGs of 100x100 pixels, as of RAF-DB, in folders of classes."""
    random = np.random.default_rng(0)
    contents = []
    for _ in range(PICTURES):
        small = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(small).resize((100, 100)).save(root / "one.jpg", quality=90)
        contents.append((root / "one.jpg").read_bytes())
    (root / "one.jpg").unlink()
    for name in CLASSES:
        (root / name).mkdir()
    for number in range(count):
        file = root / CLASSES[number % len(CLASSES)] / f"{number:07}.jpg"
        file.write_bytes(contents[number % PICTURES])


def write_frames(root: Path, count: int) -> None:
    """Write files of a few bytes in AFEW's layout, FRAMES a clip."""
    write_clips(root, count)
    for clip, folder in enumerate(clip_folders(root, count)):
        for number in range(FRAMES):
            (folder / f"{number + 1:03}.jpg").write_bytes(b"%d %d" % (clip, number))


def write_clips(root: Path, count: int) -> None:
    """Write the folders of clips for so many frames."""
    for folder in clip_folders(root, count):
        folder.mkdir(parents=True)


def clip_folders(root: Path, count: int) -> list[Path]:
    """Return AFEW's folders of clips for so many frames."""
    return [
        root / "Train_AFEW" / CLASSES[clip % len(CLASSES)] / f"{clip:09}"
        for clip in range(-(-count // FRAMES))
    ]


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    """Print what a block took, and the memory that the process had at the most by its end."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:>9,} {what:<40} {clock:7.2f} s {processor:7.2f} s of CPU {peak:7.0f} MB at most",
        flush=True,
    )


def pack_photographs(root: Path, count: int) -> None:
    """Print what packing takes, and opening the pack again."""
    from fewshot_fer.data.adapters.folder import read_folder
    from fewshot_fer.data.packed_images import pack

    table = read_folder(root)
    for what in ("packed", "opened again"):
        with timed(what, count):
            pack(table, SIDE, root.parent / "cache")


def open_frames(root: Path, count: int) -> None:
    """Print what each step from the folders to episodes takes, the first time and with an index."""
    from fewshot_fer.config.schema import DatasetConfig
    from fewshot_fer.data.fingerprint import file_digests, names_digest
    from fewshot_fer.data.load import Source, load_dataset
    from fewshot_fer.episodes.pool import Shape, build_pool

    Image.init()
    afew, source = DatasetConfig(adapter="afew"), Source(root, demo=True)
    time.sleep(2.5)  # folders that changed a moment ago are not indexed
    with timed("table: folders listed, index written", count):
        table = load_dataset(afew, source)
    with timed("table: opened by its index", count):
        load_dataset(afew, Source(root, demo=True))
    paths = table["path"].tolist()
    steps: dict[str, Callable[[], object]] = {
        "contents: all files read": lambda: file_digests(paths),
        "contents: the state of each file": lambda: file_digests(paths),
        "names, labels and groups": lambda: names_digest(table),
        "pool of episodes": lambda: build_pool(table, Shape(5, 5, 15)),
    }
    for what, step in steps.items():
        with timed(what, count):
            step()


def open_index(root: Path, count: int) -> None:
    """Print what a table of many frames takes to be made, and to be opened by its index."""
    from fewshot_fer.data.table import make_table
    from fewshot_fer.data.table_index import indexed_table

    Image.init()
    rows: list[dict[str, object]] = [
        {"path": f"{folder}/{number + 1:03}.jpg", "clip": folder.name, "frame": number}
        | {"label": folder.parent.name, "split": "train", "dataset": "afew"}
        for folder in clip_folders(root, count)
        for number in range(FRAMES)
    ]
    time.sleep(2.5)  # folders that changed a moment ago are not indexed
    with timed("table made, index written", count):
        made = indexed_table("made", lambda: make_table(rows))
    with timed("table opened by its index", count):
        opened = indexed_table("made", lambda: sys.exit("there is no index"))
    if not opened.equals(made):
        sys.exit("the index holds another table")


JOBS = {
    "pack": (write_photographs, pack_photographs),
    "open": (write_frames, open_frames),
    "index": (write_clips, open_index),
}


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=JOBS)
    parser.add_argument("--sizes", default="2000,10000", help="images or frames, with commas")
    parser.add_argument("--within", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    write, measure = JOBS[given.what]
    sizes = [int(size) for size in given.sizes.split(",")]
    if given.within is not None:
        measure(given.within, sizes[0])
        return
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="fewshot_fer_large_") as folder:
            root = Path(folder) / "data"
            root.mkdir()
            write(root, size)
            words = [sys.executable, __file__, given.what, f"--within={root}"]
            words.append(f"--sizes={size}")
            environment = os.environ | {"FEWSHOT_FER_CACHE": str(Path(folder) / "cache")}
            subprocess.run(words, check=True, env=environment)


if __name__ == "__main__":
    main()
