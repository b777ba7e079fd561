"""Work shared by several processes, and how many processor cores there are for it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    at_once: int,
    chunksize: int = 1,
) -> Iterator[Result]:
    """Yield `work` of each item, in their order, computed by `workers` processes.

    at_once: items handed out at a time, which bounds the memory that results wait in; chunksize:
    items that go to a process together. Where a process dies (killed for memory, or started by a
    script without a main guard), the items that are left are worked on here.
    """
    done = 0
    try:
        # Not forked: the tool has threads by now, and a fork of those can hang. Ctrl-C is for this
        # process alone, which ends the others.
        context, alone = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
        with ProcessPoolExecutor(workers, context, signal.signal, alone) as pool:
            for start in range(0, len(items), at_once):
                for result in pool.map(work, items[start : start + at_once], chunksize=chunksize):
                    done += 1
                    yield result
    except BrokenProcessPool:
        yield from map(work, items[done:])


def core_count() -> int:
    """Return the cores that the scheduler gives this process, or all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
