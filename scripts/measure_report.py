"""Report on many runs that nobody trained: how long it takes, and how large the page is.

    python scripts/measure_report.py                      200 runs of 10,000 predictions each
    python scripts/measure_report.py --runs 20 --images 1000

The runs have weights, and their pictures lie on the disk, so that maps of embeddings and small
copies of pictures are made as for real ones. Exit code 1 where the report takes 30 seconds or more,
or the page 10 MB. In a temporary folder; making the runs takes some minutes and is not counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SECONDS, MEGABYTES = 30.0, 10.0
FABRICATED = Path(__file__).resolve().parents[1] / "tests" / "fabricated.py"
SIDE = 100  # pixels of a picture, as in RAF-DB


def main() -> int:
    """Return 0 where the report is quick and small enough."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--images", type=int, default=10_000, help="of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        draw_pictures(base / "images", options.images)
        words = [base / "runs", options.runs, options.images, base / "images"]
        subprocess.run([sys.executable, str(FABRICATED), *map(str, words)], check=True)
        seconds, busy, peak = report(base)
        page = next(base.glob("out/report/*/report.html"))
        size = page.stat().st_size / 1e6
        text = page.read_text(encoding="utf-8")
        copies, maps = text.count("data:image/jpeg"), text.count('class="card embedding"')
        table = page.with_name("report.csv").stat().st_size / 1e6
    print(
        f"{options.runs} runs of {options.images} predictions: {seconds:.1f} s ({busy:.1f} s of a "
        f"processor's), report.html {size:.2f} MB with {copies} pictures and {maps} maps, "
        f"report.csv {table:.2f} MB, {peak:.0f} MB of memory at most"
    )
    fits = seconds < SECONDS and size < MEGABYTES
    print(f"{'ok' if fits else 'BAD'}: it may take {SECONDS:.0f} s and {MEGABYTES:.0f} MB")
    return 0 if fits else 1


def draw_pictures(folder: Path, count: int) -> None:
    """Write pictures as large on disk as faces are: soft shapes under a little noise."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        soft = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        noisy = np.asarray(soft, dtype=np.float64) + random.normal(0, 4, (SIDE, SIDE, 3))
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{number:05}.jpg", quality=90)


def report(base: Path) -> tuple[float, float, float]:
    """Return the seconds that the command takes from start to end, those that a processor computes
    for it, fewer where others compute too, and its memory in MB."""
    words = [f"runs={base / 'runs'}", f"outputs={base / 'out'}"]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fewshot_fer.report", *words])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the report ended with {os.waitstatus_to_exitcode(status)}")
    busy = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - started, busy, usage.ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
