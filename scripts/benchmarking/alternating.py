"""Measure systems in alternation, A B C A B C, and compare them turn by turn.

Other load on a shared machine comes and goes within seconds and slows all systems of one turn
alike, so ratios hold where times do not.
"""

import statistics
from dataclasses import dataclass, replace

from tqdm import tqdm

from benchmarking.worker import Worker


@dataclass(frozen=True)
class Ask:
    """A measurement of a system. count: episodes or images a turn, 0 for as many as fill a turn;
    warm: how many are run once before anything counts."""

    worker: Worker
    task: str
    count: int = 0
    warm: int = 2


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of the turns. best: a ratio of each one's fastest turn, which a
    busy machine disturbs least."""

    median: float
    low: float
    high: float
    turns: int
    best: float | None = None


Figures = dict[str, list[float]]
"""name -> what each turn gave"""


def alternate(asks: dict[str, Ask], turns: int, turn_seconds: float, what: str) -> Figures:
    """Run each in turn, `turns` times over. Building a system and a warm-up are not counted."""
    ready = {name: _sized(ask, turn_seconds) for name, ask in asks.items()}
    figures: Figures = {name: [] for name in asks}
    for _ in tqdm(range(turns), desc=what, unit="turn", leave=False, disable=None):
        for name, ask in ready.items():
            figures[name].append(ask.worker.ask(ask.task, ask.count))
    return figures


def _sized(ask: Ask, turn_seconds: float) -> Ask:
    """Warm up, and choose a count that fills a turn where none is given; then that count too is
    run once, since a step that a GPU has captured belongs to one number of episodes."""
    ask.worker.ask(ask.task, ask.warm)
    if ask.count:
        return ask
    seconds = ask.worker.ask(ask.task, ask.warm)
    sized = replace(ask, count=max(2, round(turn_seconds / seconds)))
    ask.worker.ask(sized.task, sized.count)
    return sized


def spread(values: list[float]) -> Spread:
    """Return the median with the extremes."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def compared(over: list[float], under: list[float], scale: float = 1) -> Spread:
    """Return scale * over / under, seconds of the same turns."""
    each = [scale * top / bottom for top, bottom in zip(over, under, strict=True)]
    return replace(spread(each), best=scale * min(over) / min(under))
