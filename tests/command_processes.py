"""Commands in processes of their own, which begin with everything imported."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from warm_processes import start_warm, type_words

PATIENCE = 300  # seconds, for a machine that does other things


@dataclass(frozen=True)
class CommandProcess:
    """A process, and the file of what it prints."""

    process: BaseProcess
    printed: Path

    @property
    def number(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code, below 0 for a signal, and what was printed."""
        self.process.join(PATIENCE)
        code, printed = self.process.exitcode, self.printed.read_text(encoding="utf-8")
        if code is None:
            self.process.kill()
            raise AssertionError(f"still there after {PATIENCE} seconds: {printed}")
        return code, printed


def start_call(
    folder: Path, cache: Path, function: Callable[..., None], *given: object
) -> CommandProcess:
    """Start a process that calls a function of a module in a folder; pictures are blank."""
    variables = {**os.environ, "FEWSHOT_FER_CACHE": str(cache)}
    variables.pop("HYDRA_FULL_ERROR", None)  # which commands within this process leave behind
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".printed", delete=False) as printed:
        file = Path(printed.name)
    return CommandProcess(start_warm(_call, (function, given), folder, variables, str(file)), file)


def start_command(folder: Path, cache: Path, verb: str, *words: str) -> CommandProcess:
    """Type `python -m fewshot_fer.<verb> <words>` in a folder."""
    return start_call(folder, cache, type_words, verb, *words)


def wait_for(folder: Path, files: str, process: CommandProcess) -> None:
    """Wait for a file of such a name to be there, or for the end of the process."""
    deadline = time.monotonic() + PATIENCE
    while not list(folder.glob(files)) and process.process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _call(function: Callable[..., None], given: Sequence[object]) -> None:
    from conftest import draw_blank

    draw_blank(pytest.MonkeyPatch())
    function(*given)
