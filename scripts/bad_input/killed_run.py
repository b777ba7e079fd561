"""A run that ends itself with SIGKILL at a given moment, in a process of its own."""

import os
import signal
from collections.abc import Callable
from typing import Any
from unittest import mock

from bad_input.commands import KILLED
from bad_input.typing_commands import typed
from fewshot_fer.data import packed_images as store
from fewshot_fer.system import torch_files
from fewshot_fer.training.episodic import EpisodicTraining


def run_and_die(moment: str) -> None:
    """Run the command of the case until it kills itself while packing, or in an epoch or write."""
    if moment == "packing":
        decode: Any = vars(store)["decode"]
        patched: Any = mock.patch.object(store, "decode", _dying_at(9, decode))
    elif moment == "epoch":
        patched = mock.patch.object(EpisodicTraining, "step", _dying_at(6, EpisodicTraining.step))
    else:  # a checkpoint is written, and not on the disk yet
        system = mock.Mock(wraps=os, fsync=_dying_at(3, os.fsync))
        patched = mock.patch.object(torch_files, "os", system)
    with patched:
        typed(*KILLED)


def _dying_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, which ends the process in place of its n-th call."""
    calls = 0

    def dying(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)

    return dying
