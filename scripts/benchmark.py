"""Measure fewshot_fer beside easyfsl and plain loops, and against what the machine could do.

    python scripts/benchmark.py            for less than 20 minutes on two free cores
    python scripts/benchmark.py --quick    less than 5; twice as long where others compute too
    python scripts/benchmark.py --only training,limit --original
    python scripts/benchmark.py --docs     writes the tables of docs/performance.md too

On generated faces; needs the extra `dev`. Prints a table of ratios with what must be reached, and
writes benchmark.csv, benchmark.md, benchmark.png and growth.png. With a GPU, training, evaluation,
the limit and the encoders of papers (`encoders`) are measured there too, or with --devices cuda
there alone.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot_fer.system.errors import ConfigError, RunError, UserError

if TYPE_CHECKING:
    from benchmarking.plan import Plan
    from benchmarking.result import Figure

SECTIONS = (
    *("training", "evaluation", "limit", "scaling", "memory", "packing"),
    *("equality", "report", "sweep", "prepare"),
    *("neighbours", "first_minute", "stream", "ranks", "encoders", "methods"),
)
DEVICES = ("cpu", "cuda")
PERFORMANCE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def main() -> int:
    """Return 0, whether or not the targets are met: that depends on the machine."""
    options = _options()
    try:
        _run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    size.add_argument("--tiny", action="store_true", help="only shows that everything runs")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--devices", default="cpu,cuda", help="cpu, cuda or both (both)")
    parser.add_argument("--original", action="store_true", help="the study's float64 loop too")
    parser.add_argument("--out", type=Path, help="folder (outputs/benchmark/<time>)")
    parser.add_argument(
        "--docs",
        type=Path,
        nargs="?",
        const=PERFORMANCE,
        help="page of the manual whose marked tables are written anew (docs/performance.md)",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each system")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> None:
    chosen = _chosen(options)
    from benchmarking.pages import check_page
    from benchmarking.writing import facts

    if options.docs:
        check_page(options.docs)  # before anything is measured
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    out = options.out or Path("outputs/benchmark") / time.strftime("%Y-%m-%d_%H-%M-%S")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from error
    times: dict[str, float] = {}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="fewshot_fer-benchmark-") as folder:
        plan = _plan(options, Path(folder))
        try:
            figures.extend(_measure(chosen, plan, times))
        finally:  # what was measured before an error or Ctrl-C is kept too
            if figures:
                _write(figures, out, facts(options.threads, load, "cuda" in plan.devices))
    if options.docs:
        _write_page(figures, options.docs, {"cpu", *plan.devices})
    print("\nseconds of each section:")
    print(*(f"{name:<13}{seconds:6.0f}" for name, seconds in times.items()), sep="\n")


def _chosen(options: argparse.Namespace) -> list[str]:
    if options.threads < 1:
        raise ConfigError(f"--threads {options.threads}: expected 1 or more")
    named = options.only.split(",")
    if unknown := [name for name in named if name not in SECTIONS]:
        raise ConfigError(f"--only {unknown[0]}: expected some of {','.join(SECTIONS)}")
    if unknown := [name for name in options.devices.split(",") if name not in DEVICES]:
        raise ConfigError(f"--devices {unknown[0]}: expected {' or '.join(DEVICES)}, or both")
    return [name for name in SECTIONS if name in named]


def _plan(options: argparse.Namespace, folder: Path) -> "Plan":
    """Return what is measured, how much and where; draws the faces if need be."""
    from benchmarking.plan import EASYFSL, Plan, say
    from benchmarking.setting import FULL, QUICK, TINY, Setting
    from benchmarking.worker import Worker

    from fewshot_fer.data.cache_folder import cache_folder
    from fewshot_fer.data.demo import ensure_demo

    sizes = QUICK if options.quick else TINY if options.tiny else FULL
    with Worker("benchmarking.machine:Machine", Setting(folder, folder, 1)) as machine:
        gpu = bool(machine.ask("has_gpu"))
    devices = tuple(name for name in DEVICES if name in options.devices.split(","))
    if not gpu and devices == ("cuda",):
        raise ConfigError("--devices cuda: torch finds no CUDA device here")
    if not gpu:
        say("no CUDA device here: measured on the CPU alone")
        devices = ("cpu",)
    demo = ensure_demo(cache_folder(), sizes.demo_scale)
    plan = Plan(sizes, folder, demo, options.threads, devices, options.original)
    if EASYFSL not in plan.systems():
        say("easyfsl is not installed: measured without it (pip install easyfsl)")
    return plan


def _measure(chosen: list[str], plan: "Plan", times: dict[str, float]) -> Iterator["Figure"]:
    """Yield the figures of each section; times: gets the seconds that it took."""
    from benchmarking import first_minute, growth, preparing, reporting, shares, speed, sweeping
    from benchmarking.encoders import encoders
    from benchmarking.equality import equality
    from benchmarking.methods import methods
    from benchmarking.neighbours import neighbours
    from benchmarking.plan import say
    from benchmarking.ranks import ranks
    from benchmarking.writing import cells

    sections: dict[str, Callable[[Plan], Iterator[Figure]]] = {
        "training": speed.training,
        "evaluation": speed.evaluation,
        "limit": shares.limit,
        "scaling": growth.scaling,
        "memory": growth.memory,
        "packing": growth.packing,
        "equality": equality,
        "report": reporting.reporting,
        "sweep": sweeping.sweep,
        "prepare": preparing.prepare,
        "neighbours": neighbours,
        "first_minute": first_minute.first_minute,
        "stream": first_minute.stream,
        "ranks": ranks,
        "encoders": encoders,
        "methods": methods,
    }
    for name in chosen:
        started = time.perf_counter()
        for figure in sections[name](plan):
            say("  " + "  ".join(cell for cell in cells(figure) if cell))
            yield figure
        times[name] = time.perf_counter() - started


def _write(figures: list["Figure"], out: Path, known: list[str]) -> None:
    from benchmarking.growth_picture import draw_growth
    from benchmarking.picture import draw
    from benchmarking.writing import csv_text, markdown, table_text

    from fewshot_fer.system.files import write_text

    print("\n".join(known), table_text(figures), sep="\n\n")
    write_text(out / "benchmark.csv", csv_text(figures))
    write_text(out / "benchmark.md", markdown(figures, known))
    for name, picture in (("benchmark.png", draw), ("growth.png", draw_growth)):
        partial = out / f".{name}.{os.getpid()}"
        picture(figures, partial)
        partial.replace(out / name)
    print(f"\nwritten to {out}")


def _write_page(figures: list["Figure"], page: Path, devices: set[str]) -> None:
    from benchmarking.pages import write_page
    from benchmarking.writing import machine_text

    machines = {device: machine_text(device == "cuda") for device in devices}
    write_page(page, figures, machines, ["scripts/benchmark.py", *sys.argv[1:]])
    print(f"tables written to {page}")


if __name__ == "__main__":
    sys.exit(main())
