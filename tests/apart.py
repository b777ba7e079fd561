"""Commands in processes of their own, which begin with everything imported.

They are forked from one that has imported what a training needs and has computed nothing: a start
takes a moment, where Python and torch take seconds of the processor's time.
"""

import importlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

PRELOADED = ("fewshot_fer.api.training", "fewshot_fer.training.launch", "fewshot_fer.runs.plots")
PATIENCE = 300  # seconds, for a machine that does other things


@dataclass(frozen=True)
class Apart:
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


def call_apart(folder: Path, cache: Path, function: Callable[..., None], *given: object) -> Apart:
    """Start a process that calls a function of a module in a folder; pictures are blank."""
    environment = {**os.environ, "FEWSHOT_FER_CACHE": str(cache)}
    environment.pop("HYDRA_FULL_ERROR", None)  # which commands within this process leave behind
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".printed", delete=False) as printed:
        file = Path(printed.name)
    process = context.Process(target=_call, args=(folder, environment, file, function, given))
    process.start()
    return Apart(process, file)


def type_apart(folder: Path, cache: Path, verb: str, *words: str) -> Apart:
    """Type `python -m fewshot_fer.<verb> <words>` in a folder."""
    return call_apart(folder, cache, type_words, verb, *words)


def wait_for(folder: Path, files: str, apart: Apart) -> None:
    """Wait for a file of such a name to be there, or for the end of the process."""
    deadline = time.monotonic() + PATIENCE
    while not list(folder.glob(files)) and apart.process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def type_words(verb: str, *words: str) -> None:
    """Type a command in this process."""
    sys.argv = [f"fewshot_fer.{verb}", *words]
    importlib.import_module(f"fewshot_fer.{verb}").main()


def _call(
    folder: Path,
    environment: dict[str, str],
    printed: Path,
    function: Callable[..., None],
    given: Sequence[str],
) -> None:
    from conftest import draw_blank

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    draw_blank(pytest.MonkeyPatch())
    with printed.open("w", encoding="utf-8", buffering=1) as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout = sys.stderr = file
        function(*given)
