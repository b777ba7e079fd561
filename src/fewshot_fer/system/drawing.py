"""Pictures drawn by a process of their own, while this one loads, computes and writes.

Matplotlib takes half a second to load and a quarter of one for a matrix: of a short test a fifth,
which a second core takes over. What it is to draw comes in on that process's stdin, as pickles, and
its exit code says whether all went well.
"""

import contextlib
import io
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn

from fewshot_fer.system.figures import new_figure, save_figure
from fewshot_fer.system.garbage import end_without_searching
from fewshot_fer.system.parallel import core_count

# It imports from where this process does and nowhere else: without -P also from the folder that the
# command was typed in, which may be a stranger's.
COMMAND = ("-P", "-c", f"import sys; sys.path[:] = sys.argv[1:]; import {__name__} as d; d.main()")
PATIENCE = 5  # seconds for pictures of a run that has failed


class Drawing:
    """A process that draws what it is given, in turn. What it leaves undone is drawn here."""

    def __init__(self) -> None:
        # Not one of multiprocessing's, which would run the script again that this was called from.
        # In a group of its own: Ctrl-C is for the process that gives.
        command = [sys.executable, *COMMAND, *sys.path]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0
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
        if not self._asked:
            self.stop()
            return
        self._give_no_more()
        if self._process.wait() != 0:
            for function, given in self._asked:
                function(*given)

    def stop(self) -> None:
        """End the process; pictures that it was given are drawn first where that is soon done."""
        self._give_no_more()
        try:
            self._process.wait(PATIENCE if self._asked else 0)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()

    @property
    def _stdin(self) -> BinaryIO:
        assert self._process.stdin is not None
        return self._process.stdin  # type: ignore[return-value]  # typeshed: of any kind

    def _give_no_more(self) -> None:
        with contextlib.suppress(OSError):
            self._stdin.close()


@contextmanager
def drawing_beside(wanted: bool) -> Iterator[Drawing | None]:
    """Yield a process that draws, or None where it is not wanted, would gain nothing or cannot be.

    Where the block ends with an error, pictures that it was given are drawn too, if it can.
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


def main() -> NoReturn:
    """Draw what comes in, then end: with 1 where a picture failed, which is then drawn again where
    there is somebody to tell."""
    # An exception, so that matplotlib leaves no lock and no folder behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_without_searching()
    try:
        draw_all(sys.stdin.buffer)
    except Exception:  # whatever it is, it is met again
        sys.exit(1)
    sys.exit(0)


def draw_all(given: BinaryIO) -> None:
    """Draw until there is nothing more to come."""
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
