"""The screen: standard output and error of a command, whose work goes on without them.

What a command makes lies in files, so nothing that happens to its screen ends it: a pipe whose
reader has gone (`| head -1`), a full disk, a terminal that was closed, an output that was closed
from the start (`>&-`), an encoding without the letters (ASCII, cp1252, LANG=C).
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

IMPORTING = "importing torch"
REPLACING = "backslashreplace"  # two Korean names stay two, which "?" would make one


class _Screen(io.FileIO):
    """A standard output that turns into nothing where it can no longer be written."""

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - whatever holds bytes
        """Write some of the data, as FileIO does; all of it counts as written once it is lost."""
        try:
            return super().write(data)
        except OSError as error:
            self.lost = error
            _open_nothing(self.fileno())  # for child processes, and whatever prints by itself
            return len(data)


def prepare_screen() -> None:
    """Make standard output and error safe to print to, in a new process; a second call is none.

    Streams that others put in their place, as notebooks and tests do, are left alone.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: else the next file that is opened would be printed into
            _open_nothing(number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _replaced(stream, number))


@contextlib.contextmanager
def shown(text: str) -> Iterator[None]:
    """Show on a terminal what is under way, where no progress can be counted; then remove it.

    What is printed meanwhile is printed over it, as over a progress bar.
    """
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr.isatty():
            print(f"{text} ...", end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr.isatty():
                print(" " * len(f"{text} ..."), end="\r", file=sys.stderr, flush=True)


def lost_output() -> OSError | None:
    """Return the error that ended standard output, None where all that was printed is written."""
    with contextlib.suppress(OSError, ValueError):  # of streams that are not this module's
        sys.stdout.flush()
    raw = getattr(sys.stdout, "buffer", None)
    raw = getattr(raw, "raw", raw)
    return raw.lost if isinstance(raw, _Screen) else None


def _replaced(stream: io.TextIOWrapper, number: int) -> io.TextIOWrapper:
    """Return a stream like a standard one, on the same descriptor."""
    with contextlib.suppress(OSError):
        stream.flush()
    raw = _Screen(number, "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=REPLACING,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _open_nothing(number: int) -> None:
    """Let a descriptor read and write nothing, here and in child processes."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == number:
        os.set_inheritable(number, True)
        return
    os.dup2(nothing, number)
    os.close(nothing)
