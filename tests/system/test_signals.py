"""Ctrl-C and SIGTERM: whenever they come, the run says how to go on, and nothing is lost."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, Command

from fewshot_fer.system.errors import Interrupted
from fewshot_fer.system.signals import caught_signals, ended_by_signals
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.loop import TrainingRun

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)  # Python calls the handler before this returns


@BOTH
def test_outside_of_steps_it_ends_at_once(number: signal.Signals) -> None:
    """While images are packed or tests are asked, with the shell's exit code."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="go on") as caught, ended_by_signals(lambda: "go on"):
        send(number)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(signal.SIGTERM) is before


@BOTH
def test_between_steps_it_is_noted_and_a_second_one_ends_at_once(number: signal.Signals) -> None:
    """The first waits for the step; whoever cannot wait sends another."""

    def steps() -> None:
        with ended_by_signals(lambda: "go on"), caught_signals() as stop:
            send(number)
            assert stop.number == number
            with pytest.raises(Interrupted, match="interrupted"):
                stop.check()
            send(number)

    with pytest.raises(Interrupted, match="go on") as caught:
        steps()
    assert caught.value.number == number


def once(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function, asking for an end within its first call."""
    asked = False

    def wrapped(*given: object, **named: object) -> object:
        nonlocal asked
        if not asked:
            asked = True
            send(signal.SIGTERM)
        return function(*given, **named)

    return wrapped


def test_what_it_says_is_what_there_is(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first epoch there is no checkpoint yet; within the last validation all is trained."""
    with monkeypatch.context() as patch:
        patch.setattr(EpisodicTraining, "step", once(EpisodicTraining.step))
        outcome = command("train", *TINY, f"paths.data={data}", "hydra.run.dir=run")
    assert outcome.code == 143
    assert "stopped in the first epoch, so the run will start anew" in outcome.err
    assert not Path("run/last.pt").exists()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_keep_best", once(TrainingRun._keep_best))
        outcome = command("train", "resume=run")
    assert outcome.code == 143
    assert "stopped in epoch 2, which will be begun again from last.pt" in outcome.err
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_keep_best", once(TrainingRun._keep_best))
        outcome = command("train", "resume=run")
    assert outcome.code == 143
    assert "stopped after epoch 2, which last.pt holds" in outcome.err
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "add_supports", once(TrainingRun.add_supports))
        outcome = command("train", "resume=run")
    assert outcome.code == 143
    assert "Go on with: python -m fewshot_fer.train resume=run" in outcome.err
    assert command("train", "resume=run").code == 0
