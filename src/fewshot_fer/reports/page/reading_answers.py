"""Answers of many runs, read by several processes where there is enough to read."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from fewshot_fer.cores import core_count
from fewshot_fer.processes import map_in_processes
from fewshot_fer.reports.page.answered import Answers, read_answers

WORTH_A_PROCESS = 40_000_000  # bytes, read in the second or two that a process takes to start
MOST_PROCESSES = 8  # each holds a few tables
SLAB = 16  # runs handed out at a time, so that not all wait in memory


def each_answers(folders: Sequence[Path]) -> Iterator[Answers]:
    """Yield what each run's folder answers, in their order, with a progress bar on a terminal."""
    files = [folder / name for folder in folders for name in ("predictions.csv", "answers.csv")]
    size = sum(file.stat().st_size for file in files if file.is_file())
    workers = min(MOST_PROCESSES, core_count(), len(folders), 1 + size // WORTH_A_PROCESS)
    alone = map(read_answers, folders)
    read = alone if workers < 2 else map_in_processes(read_answers, folders, workers, SLAB)
    yield from tqdm(read, "reading answers", len(folders), unit="run", leave=False, disable=None)
