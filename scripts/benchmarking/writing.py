"""The benchmark's files: a CSV for programs, a Markdown page for the manual, text for the screen"""

import csv
import importlib.util
import io
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarking.result import Figure, met_text, target_text, value_text

PACKAGES = ("fewshot_fer", "torch", "torchvision", "numpy", "pillow", "easyfsl")
HEADINGS = (
    *(
        "what",
        "backbone",
        "device",
        "against",
        "median",
        "min",
        "max",
        "best turns",
        "ours",
        "theirs",
    ),
    *("must be", "met"),
)
COLUMNS = (
    *("section", "what", "backbone", "device", "size", "against", "unit", "median", "min", "max"),
    *("best", "turns", "ours", "theirs", "rate", "target", "at_least", "met"),
)
SHIM = (
    "its TaskSampler hands data_source to torch's Sampler, which newer torch refuses: "
    "a class between the two swallows the argument"
)
NOTES = (
    "Systems take turns in one run, each in a process of its own; start-up is not counted. A ratio "
    "is taken turn by turn and says how many times faster fewshot_fer is; median, min and max are "
    "over the turns; best turns compares each one's fastest turn, which a busy machine disturbs "
    "least. Ours and theirs are medians of what the ratio was made of.",
    "All systems see the same JPEG files, shapes, threads and, in training, the same augmentation. "
    "A peer embeds every episode anew, so its time an episode stands for any number of them.",
    "The convolution floor is the sum of an encoder's bare convolutions of a training step, each "
    "in the memory layout that is faster for it. The GEMM-rate limit is the encoder's FLOP at the "
    "rate of a large float32 matrix product, torch.mm. "
    "The targets are for two cores.",
)


def table_text(figures: Sequence[Figure]) -> str:
    """Return the figures as a table for a screen."""
    lines = [HEADINGS, *(cells(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 4 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(figures: Sequence[Figure], facts: Sequence[str]) -> str:
    """Return what can stand in the manual: the machine, the table, what to know."""
    rows = ["| " + " | ".join(cells(figure)) + " |" for figure in figures]
    head = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * 4 + "---:|" * 8]
    paragraphs = ["  \n".join(facts), "\n".join(head + rows), *NOTES]
    return "\n\n".join(paragraphs) + "\n"


def csv_text(figures: Sequence[Figure]) -> str:
    """Return benchmark.csv, columns in COLUMNS."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for figure in figures:
        spread, target = figure.spread, figure.target
        writer.writerow(
            _cell(value)
            for value in (
                *(figure.section, figure.what, figure.backbone, figure.device, figure.size),
                *(figure.against, figure.unit, spread.median, spread.low, spread.high),
                *(spread.best, spread.turns, figure.ours, figure.theirs, figure.rate),
                *(target and target.value, target and target.at_least, figure.met),
            )
        )
    return stream.getvalue()


def facts(threads: int, load: float, gpu: bool) -> list[str]:
    """Return date, machine, versions and command, a line each; load: average when it began."""
    words = shlex.join(["python", "scripts/benchmark.py", *sys.argv[1:]])
    lines = [
        f"Measured on {time.strftime('%Y-%m-%d')} with `{words}`.",
        f"Machine: {_processor()}, {os.cpu_count()} cores, {threads} threads used, "
        f"{_graphics(gpu)}; load average {load:.1f} when it began.",
        f"Versions: Python {platform.python_version()}, {_versions()}.",
    ]
    if importlib.util.find_spec("easyfsl"):
        lines.append(f"easyfsl runs with a shim: {SHIM}.")
    return lines


def machine_text(gpu: bool) -> str:
    """Return the machine in a phrase: its GPU or processor, its cores, torch's version."""
    named = _graphics(gpu) if gpu else _processor()
    return f"{named}, {os.cpu_count()} cores, torch {version('torch')}"


def cells(figure: Figure) -> tuple[str, ...]:
    """Return a figure as a line of the table, one text for each of HEADINGS."""
    spread, size = figure.spread, figure.size
    shown = (spread.median, spread.low, spread.high, spread.best)
    varied = figure.section in ("scaling", "packing") and size is not None
    return (
        f"{figure.what}: {size:,}" if varied else figure.what,
        figure.backbone,
        figure.device,
        figure.against,
        *(value_text(value, figure.unit) for value in shown),
        value_text(figure.ours, figure.rate),
        value_text(figure.theirs, figure.rate),
        target_text(figure),
        met_text(figure),
    )


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value


def _versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _graphics(gpu: bool) -> str:
    if not gpu:
        return "no GPU"
    import torch

    return torch.cuda.get_device_name()
