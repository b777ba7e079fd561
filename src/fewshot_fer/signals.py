"""Ctrl-C and SIGTERM during training: the step is finished, nothing is torn."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fewshot_fer.errors import Interrupted
from fewshot_fer.ranks import world

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether somebody asked for an end."""

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Raise Interrupted if so; called between two steps."""
        if self.number is not None:
            raise Interrupted(self.number)


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
