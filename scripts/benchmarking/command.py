"""A command of the package, typed as a user would, and what it takes from start to end."""

import contextlib
import os
import resource
import runpy
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from benchmarking.worker import forkserver
from fewshot_fer.system.errors import RunError

LONGEST = 120  # seconds until a line is there
EVERY = 0.01  # seconds between two looks for it


@dataclass(frozen=True)
class Usage:
    """seconds: by the clock; processor: seconds that processors computed for it, which do not grow
    where others compute too; peak: resident memory in MB."""

    seconds: float
    processor: float
    peak: float


@dataclass(frozen=True)
class Command:
    """words: what follows `python`; log: file of its output; folder: where it runs, None for here;
    code: that it is to end with."""

    words: Sequence[str]
    log: Path
    folder: Path | None = None
    code: int = 0

    def run(self, fresh: bool = True) -> Usage:
        """Return what it takes in a process of its own.

        fresh: one that a user starts; else one forked from a process that has imported torch, for
        seeing that all runs. Raises RunError with the end of the output where it fails.
        """
        started = time.perf_counter()
        code, processor, peak = self._start(fresh).wait()
        seconds = time.perf_counter() - started
        if code != self.code:
            raise self._failed(f"ended with {code}")
        return Usage(seconds, processor, peak)

    def seconds_until(self, line: str, fresh: bool = True) -> float:
        """Return seconds until `line` is in the output, and end the command."""
        started = time.perf_counter()
        running = self._start(fresh)
        try:
            while line not in self.log.read_text(encoding="utf-8"):
                seconds = time.perf_counter() - started
                if running.ended() or seconds > LONGEST:
                    raise self._failed(f"gave no line with {line!r}")
                time.sleep(EVERY)
            return time.perf_counter() - started
        finally:
            running.terminate()
            running.wait()

    def _start(self, fresh: bool) -> "_Running":
        self.log.write_bytes(b"")
        return _Fresh(self) if fresh else _Forked(self)

    def _failed(self, how: str) -> RunError:
        said = self.log.read_text(encoding="utf-8")[-2000:]
        return RunError(f"{' '.join(self.words)} {how}:\n{said}")


class _Running(Protocol):
    def ended(self) -> bool: ...

    def terminate(self) -> None: ...

    def wait(self) -> tuple[int, float, float]:
        """Return exit code, seconds of processors, and peak memory in MB."""


class _Fresh:
    """A new Python."""

    def __init__(self, command: Command) -> None:
        with command.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command.words],
                cwd=command.folder,
                env=_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ended(self) -> bool:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self) -> tuple[int, float, float]:
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, *_shown(usage)


class _Forked:
    """A process that starts with torch."""

    def __init__(self, command: Command) -> None:
        context = forkserver()
        self._usage, theirs = context.Pipe(duplex=False)
        self._process = context.Process(  # type: ignore[attr-defined]
            target=_type, args=(command, _environment(), theirs)
        )
        self._process.start()
        theirs.close()

    def ended(self) -> bool:
        return not self._process.is_alive()

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self) -> tuple[int, float, float]:
        self._process.join()
        with contextlib.suppress(EOFError):  # it was ended in the middle
            return self._process.exitcode or 0, *self._usage.recv()
        return self._process.exitcode or 0, 0.0, 0.0


def _type(command: Command, environment: dict[str, str], usage: Connection) -> None:
    """Be the command, in this process."""
    with command.log.open("wb") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    os.chdir(command.folder or Path.cwd())
    os.environ.clear()
    os.environ.update(environment)
    module = command.words[0] == "-m"
    sys.argv = list(command.words[module:])
    try:
        if module:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        usage.send(_shown(resource.getrusage(resource.RUSAGE_SELF)))


def _shown(usage: resource.struct_rusage) -> tuple[float, float]:
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _environment() -> dict[str, str]:
    """Return this process's, without what would end a mistake in a traceback."""
    return {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
