"""Processes that have imported what a training needs before they begin.

A new interpreter takes seconds for that, most of a short run, and most kills would fall there.
"""

import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

IMPORTED = (
    "fewshot_fer.cli.main",
    "fewshot_fer.training.launch",
    "matplotlib.figure",
    "torch._dynamo",  # which the first optimiser of a process imports
)


def start_warm(
    function: Callable[..., object],
    arguments: tuple[object, ...],
    folder: Path,
    variables: Mapping[str, str],
    screen: str = os.devnull,
) -> ForkServerProcess:
    """Start a process that calls a function in a folder, with variables of the environment.

    The process is forked from one that has imported all and done nothing else. screen: a file for
    what it prints.
    """
    here = str(folder.absolute())
    process = _context().Process(
        target=_begin, args=(function, arguments, here, dict(variables), screen)
    )
    process.start()
    return process


def type_words(verb: str, *words: str) -> None:
    """Type `python -m fewshot_fer.<verb> <words>` in this process."""
    sys.argv = [f"fewshot_fer.{verb}", *words]
    importlib.import_module(f"fewshot_fer.{verb}").main()


@cache
def _context() -> ForkServerContext:
    """Return the context whose server has imported all by now."""
    # Of semaphores that a killed process leaves behind, which is what it is killed for.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    first = context.Process(target=int)
    first.start()
    first.join()
    return context


def _begin(
    function: Callable[..., object],
    arguments: tuple[object, ...],
    folder: str,
    variables: dict[str, str],
    screen: str,
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    shown = os.open(screen, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(shown, sys.stdout.fileno())
    os.dup2(shown, sys.stderr.fileno())
    function(*arguments)
