"""Measure what it takes to read a data set of clips: files of one byte in the layout of DFEW.

python scripts/measure_clips.py --clips 2000 --frames 50
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.dfew import LIST_FOLDERS, LISTS, N_FOLDS
from fewshot_fer.data.adapters.registry import find_adapter


def write_tree(root: Path, n_clips: int, n_frames: int) -> None:
    """Write lists of five folds, and as many frames for each clip."""
    for clip in range(1, n_clips + 1):
        folder = root / f"Clip/clip_224x224/{clip:05}"
        folder.mkdir(parents=True)
        for frame in range(1, n_frames + 1):
            (folder / f"{frame:05}.jpg").write_bytes(b"x")
    for fold in range(1, N_FOLDS + 1):
        for split, names in LIST_FOLDERS.items():
            own = [
                f"{clip},{clip % 7 + 1}"
                for clip in range(1, n_clips + 1)
                if (clip % N_FOLDS + 1 == fold) == (split == "test")
            ]
            file = root / LISTS / names[0] / f"set_{fold}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(["video_name,label", *own]))


def main() -> None:
    """Print time and memory of reading the frames, and what a million would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder), given.clips, given.frames)
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        n_frames = len(find_adapter("dfew").read(Path(folder), DatasetConfig("dfew")))
        seconds = time.perf_counter() - start
        megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{n_frames} frames: {seconds:.1f} s, {megabytes:.0f} MB")
    times = 1_000_000 / n_frames
    print(f"a million, at this rate: {times * seconds:.0f} s, {times * megabytes:.0f} MB")


if __name__ == "__main__":
    main()
