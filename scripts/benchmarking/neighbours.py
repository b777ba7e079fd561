"""How much longer a training takes beside processes of others, and whether it is slower alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarking.alternating import Figures, compared, spread
from benchmarking.plan import OURS, Plan, say
from benchmarking.result import Figure
from benchmarking.setting import TRAINING
from benchmarking.worker import Worker
from fewshot_fer.system.cores import WAITING, wait_without_spinning

BUSY = 2  # processes of one thread each
SPINNING = "spinning threads"  # as OpenMP lets them wait by itself
SYSTEM = "benchmarking.ours:Ours"


def neighbours(plan: Plan) -> Iterator[Figure]:
    """Yield the time beside busy processes over that alone, and both against spinning threads."""
    say(f"training alone and beside {BUSY} busy processes, {plan.sizes.turns} turns")
    alone, beside = _measure(plan)
    what = f"training, {TRAINING}"
    yield Figure(
        "neighbours",
        f"{what}: its time beside {BUSY} busy processes, over that alone",
        "",
        "x",
        compared(beside[OURS], alone[OURS]),
        backbone="conv4",
        ours=spread(beside[OURS]).median,
        theirs=spread(alone[OURS]).median,
        rate="s",
        target=plan.target(2.3, False),
    )
    for where, figures, least in (("alone", alone, 0.98), (f"beside {BUSY}", beside, None)):
        yield Figure(
            "neighbours",
            f"{what}, {where}",
            SPINNING,
            "x",
            compared(figures[SPINNING], figures[OURS]),
            backbone="conv4",
            ours=spread(figures[OURS]).median,
            theirs=spread(figures[SPINNING]).median,
            rate="s",
            target=plan.target(least, True) if least else None,
        )


def _measure(plan: Plan) -> tuple[Figures, Figures]:
    """Return the seconds an episode of each turn, alone and beside busy processes."""
    names = (OURS, SPINNING)
    alone: Figures = {name: [] for name in names}
    beside: Figures = {name: [] for name in names}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(_worker(plan, name)) for name in names}
        seconds = [worker.ask("train", 2) for worker in workers.values()]
        count = max(2, round(plan.sizes.turn_seconds / min(seconds)))
        for _ in range(plan.sizes.turns):
            for name, worker in workers.items():
                alone[name].append(worker.ask("train", count))
                with _busy(BUSY):
                    beside[name].append(worker.ask("train", count))
    return alone, beside


@contextmanager
def _worker(plan: Plan, name: str) -> Iterator[Worker]:
    """Start a process whose threads wait as those of a command, or as OpenMP lets them."""
    setting = plan.setting(plan.sizes.images)
    before = {each: os.environ.pop(each) for each in WAITING & os.environ.keys()}
    try:
        if name == OURS:
            wait_without_spinning()
        with Worker(SYSTEM, setting, plan.sizes.fresh) as worker:
            worker.ask("train", 2)  # it has started by now, and read them
            for each in WAITING & os.environ.keys():
                del os.environ[each]
            yield worker
    finally:
        os.environ.update(before)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep so many processes computing, each on one thread, until the block ends."""
    words = [sys.executable, "-S", "-c", "while True: pass"]
    running = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
