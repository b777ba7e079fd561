"""Pictures drawn by a process of their own, while this one loads, computes and writes.

Matplotlib takes half a second to load and a quarter of one for a matrix: of a short test a fifth,
which a second core takes over. Run as a module this is that process: what it is to draw comes in on
its stdin, as pickles, and its exit code says whether all went well.
"""

import contextlib
import io
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from fewshot_fer.cores import core_count
from fewshot_fer.figure import new_figure, save_figure


class Drawing:
    """A process that draws what it is given, in turn. What it leaves undone is drawn here."""

    def __init__(self) -> None:
        # Not one of multiprocessing's, which would run the script again that this was called from.
        command, nowhere = [sys.executable, "-m", "fewshot_fer.drawing"], subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere
        )
        self._asked: list[tuple[Callable[..., None], tuple[object, ...]]] = []

    def draw(self, function: Callable[..., None], *given: object) -> None:
        """Hand a picture to the process, without waiting for it."""
        self._asked.append((function, given))
        with contextlib.suppress(OSError):  # the process is gone: `finish` sees to it
            pickle.dump((function, given), self._stdin)
            self._stdin.flush()

    def finish(self) -> None:
        """Wait until all pictures are on the disk. Raises what drawing them here raises."""
        if self._ended() != 0:
            for function, given in self._asked:
                function(*given)

    def stop(self) -> None:
        """End the process; pictures that it was given are drawn first."""
        if not self._asked:
            self._process.terminate()
        self._ended()

    @property
    def _stdin(self) -> BinaryIO:
        assert self._process.stdin is not None
        return self._process.stdin  # type: ignore[return-value]  # typeshed: of any kind

    def _ended(self) -> int:
        with contextlib.suppress(OSError):
            self._stdin.close()
        return self._process.wait()


@contextmanager
def drawing_beside(wanted: bool) -> Iterator[Drawing | None]:
    """Yield a process that draws, or None where it is not wanted, would gain nothing or cannot be.

    Pictures that it was given are drawn also where the block ends with an error.
    """
    drawing = None
    if wanted and is_worth_a_process():
        with contextlib.suppress(OSError):  # no room for another process: they are drawn here
            drawing = Drawing()
    try:
        yield drawing
    finally:
        if drawing is not None:
            drawing.stop()


def is_worth_a_process() -> bool:
    """Tell whether there is a second core, and matplotlib not loaded for an earlier picture."""
    return core_count() > 1 and "matplotlib" not in sys.modules


def draw_all(given: BinaryIO) -> None:
    """Draw until there is nothing more to come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives
    _draw_a_first_time()
    while True:
        try:
            function, arguments = pickle.load(given)  # from our own process
        except EOFError:
            return
        function(*arguments)


def _draw_a_first_time() -> None:
    """Load while there is time: fonts and half of matplotlib come with the first picture."""
    figure = new_figure(2, 2, dpi=50)
    figure.subplots().set_title("first")
    save_figure(figure, io.BytesIO())


if __name__ == "__main__":
    draw_all(sys.stdin.buffer)
    os._exit(0)  # all is on the disk, and somebody waits: to take matplotlib apart takes a while
