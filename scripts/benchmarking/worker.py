"""A measured system in a process of its own.

Each system gets a child process that lives over all its turns: starting up is not measured, and
what one system sets for its process (the shim that easyfsl needs) neither
helps nor hurts another. While one is measured the others wait for their turn and use no core.
The children are forked from one process that has imported torch and computed nothing, so a start
takes a moment; where there is no fork they are spawned.
"""

import contextlib
import importlib
import multiprocessing
import platform
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any, Self

from benchmarking.setting import Setting
from fewshot_fer.system.errors import RunError

Factory = str
"""`module:Class`: only the child imports it, so that this process needs no torch."""

MEGABYTE = 1e6
PRELOADED = ["torch", "torchvision", "pandas", "matplotlib.pyplot", "hydra.core.config_store"]
PRELOADED += ["fewshot_fer.training.episodic", "fewshot_fer.evaluation.scoring"]


class Worker:
    """Builds a system in a child process and calls its methods there, one at a time."""

    def __init__(self, factory: Factory, setting: Setting, fresh: bool = False) -> None:
        """Start the process. fresh: a new one, which reads variables of this process's environment
        as libraries do when they are loaded."""
        context = multiprocessing.get_context("spawn") if fresh else forkserver()
        self._connection, theirs = context.Pipe()
        self._name = factory.partition(":")[2]
        self._process = context.Process(  # type: ignore[attr-defined]
            target=_serve,
            args=(theirs, factory, setting),  # no daemon: those may not load images
        )
        self._process.start()
        theirs.close()

    def ask(self, task: str, count: int = 0) -> float:
        """Return what the method `task` gives for `count`: seconds an item, in most cases."""
        try:
            self._connection.send((task, count))
            kind, answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise RunError(f"the process of {self._name} died in {task}({count})") from error
        if kind == "error":
            raise RunError(f"{self._name} failed in {task}({count}):\n{answer}")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()


def forkserver() -> BaseContext:
    """Return the context whose processes start with torch; where nothing forks, without."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _serve(connection: Connection, factory: Factory, setting: Setting) -> None:
    """Call one method after another until the other end closes."""
    import torch

    torch.set_num_threads(setting.threads)
    system: object | None = None
    while True:
        try:
            task, count = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            system = system or _build(factory, setting)
            answer: tuple[str, float | str] = (
                "value",
                _MEMORY[task]() if task in _MEMORY else _call(system, task, count),
            )
        except KeyboardInterrupt:
            return
        except Exception:  # whatever a peer raises: it is shown in the parent
            answer = ("error", traceback.format_exc(limit=-4))
        with contextlib.suppress(BrokenPipeError):  # the other end was interrupted
            connection.send(answer)


def _build(factory: Factory, setting: Setting) -> object:
    module, _, name = factory.partition(":")
    build: Callable[[Setting], object] = getattr(importlib.import_module(module), name)
    return build(setting)


def _call(system: object, task: str, count: int) -> float:
    method: Callable[[int], float] = getattr(system, task)
    return method(count)


def _peak_memory() -> float:
    """Return the most resident memory that this process had so far, in MB."""
    if platform.system() == "Linux":
        # ru_maxrss would also count what the process was before it became this one.
        return _status("VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE  # macOS counts bytes


def _own_memory() -> float:
    """Return resident memory without mapped files, in MB: the peak, where freed memory is kept."""
    return _status("RssAnon") if platform.system() == "Linux" else _peak_memory()


def _status(key: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        kilobytes = next(line.split()[1] for line in file if line.startswith(f"{key}:"))
    return int(kilobytes) * 1024 / MEGABYTE


_MEMORY: dict[str, Callable[[], float]] = {"peak_memory": _peak_memory, "own_memory": _own_memory}


def seconds_of(work: Callable[[], Any], device: str) -> float:
    """Return how long `work` takes, until a GPU has finished too."""
    import torch

    synchronise: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else _nothing
    synchronise()
    started = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - started


def _nothing() -> None:
    """Wait for no device."""
