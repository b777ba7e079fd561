"""Signals that end a command."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fewshot_fer.system.errors import Interrupted

CAUGHT = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_by_signals(message: Callable[[], str]) -> Iterator[None]:
    """Raise Interrupted wherever a signal arrives, with the message that holds by then."""
    if not _in_main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt as error:
        number = signal.SIGTERM if isinstance(error, _Terminated) else signal.SIGINT
        raise Interrupted(number, message()) from error
    finally:
        signal.signal(signal.SIGTERM, before)


class Stop:
    """number: the first signal that arrived, None before."""

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Raise Interrupted if a signal arrived; called between two steps."""
        if self.number is not None:
            raise Interrupted(self.number)


@contextmanager
def caught_signals() -> Iterator[Stop]:
    """Note the first signal for `Stop.check`; a second one ends the process as it would have."""
    from fewshot_fer.system.ranks import world  # imports torch

    stop = Stop()
    # Signals go to the main thread; and of several ranks none may stop while others wait for it.
    if not _in_main_thread() or world() > 1:
        yield stop
        return
    before = {number: signal.getsignal(number) for number in CAUGHT}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        stop.number = number
        restore()

    for number in CAUGHT:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()


class _Terminated(KeyboardInterrupt):
    """SIGTERM, ending whatever is under way as Ctrl-C does."""


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
