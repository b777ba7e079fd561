"""Ctrl-C and SIGTERM during training: the step is finished, nothing is torn."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fewshot_fer.system.errors import Interrupted
from fewshot_fer.system.ranks import world

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether somebody asked for an end."""

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Raise Interrupted if so; called between two steps."""
        if self.number is not None:
            raise Interrupted(self.number)


class Terminated(KeyboardInterrupt):
    """SIGTERM, ending whatever is under way as Ctrl-C does."""


@contextmanager
def ended_by_signals(told: Callable[[], str]) -> Iterator[None]:
    """Turn both signals into Interrupted wherever they come, with what `told` says by then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt as asked:
        number = signal.SIGTERM if isinstance(asked, Terminated) else signal.SIGINT
        raise Interrupted(number, told()) from asked
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def caught_signals() -> Iterator[Stop]:
    """Note the first signal for `Stop.check`; a second one ends the process as it would have."""
    stop = Stop()
    # Signals go to the main thread; and of several ranks none may stop while others wait for it.
    if threading.current_thread() is not threading.main_thread() or world() > 1:
        yield stop
        return
    before = {number: signal.getsignal(number) for number in CAUGHT}

    def note(number: int, _frame: FrameType | None) -> None:
        stop.number = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in CAUGHT:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
