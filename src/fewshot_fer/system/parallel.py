"""Work that several processes do, and how many processors there are for it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def map_in_processes(
    work: Callable[[Given], Made],
    given: Sequence[Given],
    workers: int,
    at_once: int,
    chunksize: int = 1,
) -> Iterator[Made]:
    """Yield `work` of each of the given, in their order, done by several processes.

    at_once: how many are handed out at a time, which bounds the memory that results wait in;
    chunksize: how many go to a process together. Processes that die (killed for memory, or started
    by a script without a main guard) cost time but no result: what is left is done here.
    """
    done = 0
    try:
        # Not forked: the tool has threads by now, and a fork of those can hang. Ctrl-C is for this
        # process alone, which ends the others.
        context, alone = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
        with ProcessPoolExecutor(workers, context, signal.signal, alone) as pool:
            for start in range(0, len(given), at_once):
                for made in pool.map(work, given[start : start + at_once], chunksize=chunksize):
                    done += 1
                    yield made
    except BrokenProcessPool:
        yield from map(work, given[done:])


def core_count() -> int:
    """Return the cores that the scheduler gives this process, or all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
