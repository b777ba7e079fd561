"""Answers of many runs, read by several processes where there is enough to read."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from fewshot_fer.cores import core_count
from fewshot_fer.reports.page.answered import Answers, read_answers

WORTH_A_PROCESS = 40_000_000  # bytes, read in the second or two that a process takes to start
MOST_PROCESSES = 8  # each holds a few tables
SLAB = 16  # runs handed out at a time, so that not all wait in memory


def each_answers(folders: Sequence[Path]) -> Iterator[Answers]:
    """Yield what each run's folder answers, in their order, with a progress bar on a terminal."""
    files = [folder / name for folder in folders for name in ("predictions.csv", "answers.csv")]
    size = sum(file.stat().st_size for file in files if file.is_file())
    workers = min(MOST_PROCESSES, core_count(), len(folders), 1 + size // WORTH_A_PROCESS)
    read = map(read_answers, folders) if workers < 2 else read_together(folders, workers)
    yield from tqdm(read, "reading answers", len(folders), unit="run", leave=False, disable=None)


def read_together(folders: Sequence[Path], workers: int) -> Iterator[Answers]:
    """Yield the folders' answers in order, read by several processes.

    Processes that die (killed for memory, or started by a script without a main guard) cost time
    but not the report: what is left is read here.
    """
    done = 0
    try:
        # Not forked: the tool has threads by now, and a fork of those can hang. Ctrl-C is for this
        # process alone, which ends the others.
        context, alone = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
        with ProcessPoolExecutor(workers, context, signal.signal, alone) as pool:
            for start in range(0, len(folders), SLAB):
                for answers in pool.map(read_answers, folders[start : start + SLAB]):
                    done += 1
                    yield answers
    except BrokenProcessPool:
        yield from map(read_answers, folders[done:])
