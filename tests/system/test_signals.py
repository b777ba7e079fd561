"""SIGINT and SIGTERM end a command at any moment; it says how to go on, and nothing is lost."""

import os
import pkgutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, Command

from fewshot_fer.system.errors import Interrupted
from fewshot_fer.system.processes import caught_signals, ended_by_signals

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)  # Python calls the handler before this returns


@BOTH
def test_outside_of_steps_it_ends_at_once(number: signal.Signals) -> None:
    """While images are packed or tests are scored, with the shell's exit code."""
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
    """Return the function, with a signal sent within its first call."""
    sent = False

    def wrapped(*given: object, **named: object) -> object:
        nonlocal sent
        if not sent:
            sent = True
            send(signal.SIGTERM)
        return function(*given, **named)

    return wrapped


def test_the_message_says_where_the_run_stands(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first epoch there is no checkpoint yet; within the last validation all is trained."""
    words = (*TINY, f"paths.data={data}", "hydra.run.dir=run")
    evaluate = "evaluation.tasks:EpisodicTask.evaluate"
    for place, where in (
        ("training.episodic:EpisodicTraining.step", " in the first epoch"),
        (evaluate, " in epoch 2, which will be begun again"),
        (evaluate, " after epoch 2, which last.pt holds"),
        ("training.train_run:complete_checkpoints", ", and what stands there is whole"),
    ):
        interrupted = once(pkgutil.resolve_name(f"fewshot_fer.{place}"))
        with monkeypatch.context() as patch:
            patch.setattr(f"fewshot_fer.{place.replace(':', '.')}", interrupted)
            outcome = command("train", *words)
        assert outcome.code == 143
        assert f"stopped{where}" in outcome.err
        assert "Go on with: python -m fewshot_fer.train resume=" in outcome.err
        words = ("resume=run",)
    assert command("train", *words).code == 0
