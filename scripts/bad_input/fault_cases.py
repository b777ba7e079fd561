"""Faults while a run is under way: of disks, folders, memory, numbers, and signals."""

import contextlib
import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from warm_processes import start_warm

from bad_input.case import LINE, STOPS, WORKS, Case, During, Spoil, as_it_is
from bad_input.commands import KILLED, LONG
from bad_input.killed_run import run_and_die
from bad_input.typing_commands import typed
from fewshot_fer.data import pack_file
from fewshot_fer.data import packed_images as store
from fewshot_fer.evaluation import embedder as embedding
from fewshot_fer.system import files, torch_files
from fewshot_fer.training.episodic import EpisodicTraining

SECOND_EPOCH = 6  # a step of it: an epoch has four
UNDER_WAY = "a run under way"
PACKING = 8  # seconds of packing, within which another process starts


def faults() -> list[Case]:
    """A run of three epochs of four episodes, its data not packed yet."""
    return [
        _case("the disk is full while a checkpoint is written", _full(torch_files, 3), "No space"),
        _case("the disk is full while a table is written", _full(files, 2), "No space"),
        _case("the disk is full while images are packed", _full(pack_file, 1), "FEWSHOT_FER_CACHE"),
        _case("outputs cannot be written", _read_only("outputs"), "Read-only"),
        _case("the cache cannot be written", _read_only("cache"), "Read-only"),
        _case("its folder vanishes", _in_step(lambda: _remove("outputs")), "cannot write"),
        _case("the cache is deleted", _in_step(lambda: _remove("cache/packs")), outcome=WORKS),
        _case("the cache is cut off", _in_step(_cut_off), "cut off while it was in use"),
        _case("another process packs the same images", _twin, outcome=WORKS),
        _case("a loss that is no number", _not_finite, "at learning rate"),
        _case("too little memory in training", _scarce_step, "lower train.episodes_per_step"),
        _case("too little memory in evaluation", _scarce_embedding, outcome=WORKS),
        Case(UNDER_WAY, "nobody reads its screen any more", _shown("| true"), WORKS),
        Case(UNDER_WAY, "its screen is closed from the start", _shown(">&- 2>&-"), WORKS),
        Case(UNDER_WAY, "its screen is a full disk", _shown(">/dev/full"), WORKS),
        Case(UNDER_WAY, "its screen knows ASCII alone", _shown("", encoding="ascii"), WORKS),
        _case("Ctrl-C", _signalled(signal.SIGINT), "code 130", STOPS),
        _case("SIGTERM", _signalled(signal.SIGTERM), "code 143", STOPS),
    ]


def kills() -> list[Case]:
    """A run that SIGKILL ended, and that `train resume=` goes on with: nothing may differ from one
    that nobody disturbed."""
    kind = "a run after SIGKILL, resumed"
    moments = {
        "packing": "killed while images were packed",
        "epoch": "killed in an epoch",
        "checkpoint": "killed in the middle of a checkpoint's write",
    }
    return [Case(kind, told, _killed(moment), WORKS) for moment, told in moments.items()]


def _case(fault: str, during: During, says: str = "", outcome: str = LINE) -> Case:
    return Case(UNDER_WAY, fault, as_it_is, outcome, says, during)


def _full(module: Any, call: int) -> During:  # noqa: ANN401
    """No room on the disk from the n-th file on that a module makes sure of."""
    calls = 0

    def sync(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: mock.patch.object(module, "os", mock.Mock(wraps=os, fsync=sync))


def _read_only(folder: str) -> During:
    """No folder can be made below this one; permissions would not hold back the root user."""
    mkdir = os.mkdir

    def refused(path: str | Path, *given: Any, **named: Any) -> None:  # noqa: ANN401
        if folder in Path(path).parts:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        mkdir(path, *given, **named)

    return lambda: mock.patch.object(os, "mkdir", refused)


def _in_step(act: Callable[[], None]) -> During:
    """Do something in the middle of the second epoch."""
    step, calls = EpisodicTraining.step, 0

    def acted(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == SECOND_EPOCH:
            act()
        return step(*given, **named)

    return lambda: mock.patch.object(EpisodicTraining, "step", acted)


def _signalled(number: signal.Signals) -> During:
    return _in_step(lambda: os.kill(os.getpid(), number))


def _remove(folder: str) -> None:
    shutil.rmtree(folder)


def _packs() -> list[Path]:
    return sorted(Path("cache/packs").glob("*.npy"), key=lambda path: path.stat().st_size)


def _cut_off() -> None:
    for pack in _packs():
        os.truncate(pack, 300)


@contextlib.contextmanager
def _twin() -> Iterator[None]:
    """Run the same command twice; here packing takes so long that the other comes to it too."""
    decode: Any = vars(store)["decode"]

    def slowly(path: str, size: int) -> Any:  # noqa: ANN401
        time.sleep(PACKING / 35)
        return decode(path, size)

    twin = start_warm(_type_long, (), Path.cwd(), os.environ)
    with mock.patch.object(store, "decode", slowly):
        yield
    twin.join()
    assert twin.exitcode == 0


def _type_long() -> None:
    sys.exit(typed(*LONG).code)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let another process hold the folder `run`."""
    code = """
import sys
from pathlib import Path
from fewshot_fer.system.locks import own_folder
with own_folder(Path("run")):
    print("held", flush=True)
    sys.stdin.read()
"""
    words, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(words, env=_surroundings(), stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield


def _shown(redirected: str, encoding: str = "utf-8") -> Spoil:
    """Type the command in a shell first, its screen being something else."""

    def spoil(_: Path) -> None:
        verb, *words = LONG
        line = shlex.join([sys.executable, "-m", f"fewshot_fer.{verb}", *words])
        typed_there = ["bash", "-o", "pipefail", "-c", f"{line} {redirected}"]
        own = _surroundings() | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(typed_there, env=own, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-500:]

    return spoil


def _not_finite() -> "contextlib.AbstractContextManager[object]":
    step = EpisodicTraining.step

    def spoilt(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        losses, logits = step(*given, **named)
        return losses * float("nan"), logits

    return mock.patch.object(EpisodicTraining, "step", spoilt)


def _scarce() -> None:
    raise torch.OutOfMemoryError("out of memory")


def _scarce_step() -> "contextlib.AbstractContextManager[object]":
    return _in_step(_scarce)()


def _scarce_embedding() -> "contextlib.AbstractContextManager[object]":
    encode = embedding.Embedder.encode_pixels

    def scarce(self: embedding.Embedder, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > 4:
            _scarce()
        return encode(self, pixels)

    return mock.patch.object(embedding.Embedder, "encode_pixels", scarce)


def _killed(moment: str) -> Callable[[Path], None]:
    """Run a command undisturbed, in the folder `whole`, and once more till it kills itself."""

    def spoil(_: Path) -> None:
        begun = typed(*KILLED)
        assert begun.code == 0, begun.err
        Path("run").rename("whole")
        shutil.rmtree("cache/packs")
        dead = start_warm(run_and_die, (moment,), Path.cwd(), os.environ)
        dead.join()
        assert dead.exitcode == -signal.SIGKILL

    return spoil


def _surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
