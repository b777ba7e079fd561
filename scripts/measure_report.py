"""Report on many runs that nobody trained: how long it takes, and how large the page is.

    python scripts/measure_report.py                      1,000 runs of 1,000 predictions each
    python scripts/measure_report.py --runs 200 --images 10000

The runs have weights, and their pictures lie on the disk, so that maps of embeddings and small
copies of pictures are made as for real ones. Exit code 1 where a processor computes for 60 seconds
or more, or the page has 20 MB. In a temporary folder; making the runs takes some minutes and is not
counted.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarking.command import Command
from benchmarking.setting import Setting
from benchmarking.worker import Worker
from PIL import Image

SECONDS, MEGABYTES = 60.0, 20.0
SIDE = 100  # pixels of a picture, as in RAF-DB


@dataclass(frozen=True)
class Report:
    """seconds: by the clock; processor: seconds that processors computed; peak: memory in MB;
    page, table: report.html and report.csv in MB; copies, maps: pictures and maps of the page."""

    seconds: float
    processor: float
    peak: float
    page: float
    table: float
    copies: int
    maps: int


def main() -> int:
    """Return 0 where the report is quick and small enough."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--images", type=int, default=1000, help="of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        fabricate(Path(made), options.runs, options.images)
        found = report(Path(made))
    print(
        f"{options.runs} runs of {options.images} predictions: {found.seconds:.1f} s "
        f"({found.processor:.1f} s of a processor's), report.html {found.page:.2f} MB with "
        f"{found.copies} pictures and {found.maps} maps, report.csv {found.table:.2f} MB, "
        f"{found.peak:.0f} MB of memory at most"
    )
    fits = found.processor < SECONDS and found.page < MEGABYTES
    print(f"{'ok' if fits else 'BAD'}: it may take {SECONDS:.0f} s and {MEGABYTES:.0f} MB")
    return 0 if fits else 1


def fabricate(base: Path, runs: int, images: int) -> None:
    """Write pictures to base/images and runs on them to base/runs."""
    base.mkdir(exist_ok=True)
    draw_pictures(base / "images", images)
    setting = Setting(base / "images", base / "runs", threads=1)
    with Worker("benchmarking.reporting_system:Fabricating", setting) as worker:
        worker.ask("write", runs)


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


def report(base: Path, fresh: bool = True) -> Report:
    """Report on base/runs into base/out, and return what that took; fresh: as in Command.run."""
    words = ["-m", "fewshot_fer.report", f"runs={base / 'runs'}", f"outputs={base / 'out'}"]
    usage = Command(words, base / "report.log").run(fresh)
    page = next(base.glob("out/report/*/report.html"))
    text = page.read_text(encoding="utf-8")
    return Report(
        usage.seconds,
        usage.processor,
        usage.peak,
        page=page.stat().st_size / 1e6,
        table=page.with_name("report.csv").stat().st_size / 1e6,
        copies=text.count("data:image/jpeg"),
        maps=text.count('class="card embedding"'),
    )


if __name__ == "__main__":
    sys.exit(main())
