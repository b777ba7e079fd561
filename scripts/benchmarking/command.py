"""A command of the package, typed as a user would, and what it takes from start to end."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot_fer.system.errors import RunError


@dataclass(frozen=True)
class Usage:
    """seconds: by the clock; processor: seconds that processors computed for it, which do not grow
    where others compute too; peak: resident memory in MB."""

    seconds: float
    processor: float
    peak: float


def run_command(verb: str, words: Sequence[str], log: Path) -> Usage:
    """Run `python -m fewshot_fer.<verb> <words>`, its output in the file `log`.

    Raises RunError with the end of the output where it fails.
    """
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as stream:
        command = [sys.executable, "-m", f"fewshot_fer.{verb}", *words]
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        said = log.read_text(encoding="utf-8")[-2000:]
        raise RunError(f"{verb} ended with {os.waitstatus_to_exitcode(status)}:\n{said}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
