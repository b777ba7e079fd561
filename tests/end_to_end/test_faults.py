"""What goes wrong on the way: one line that says what to do, and nothing lost that was there."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command, assert_one_line, draw_pattern

from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.training.episodic import EpisodicTraining

Step = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def only_run() -> Path:
    (run,) = Path("outputs/train").iterdir()
    return run


def from_call(number: int, act: Callable[[], None], step: Step) -> Step:
    """Return a training step that does something else from its n-th call on."""
    calls = 0

    def wrapped(*given: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        losses, logits = step(*given, **named)
        if calls >= number:
            act()
            losses = losses * float("nan")
        return losses, logits

    return wrapped


def test_a_loss_that_is_no_number_ends_the_run(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the epoch, the episode and the rate; the epoch before is what last.pt holds."""
    step = from_call(7, lambda: None, EpisodicTraining.step)
    monkeypatch.setattr(EpisodicTraining, "step", step)
    outcome = command("train", *TINY, f"paths.data={data}", "train.lr=0.01")
    assert_one_line(outcome, "epoch 2, episode 3 of 4, at learning rate 0.01")
    assert "train.lr=1e-03" in outcome.err
    assert "last.pt holds the weights after epoch 1" in outcome.err
    assert load_checkpoint(only_run() / "last.pt").epoch == 1
    assert len(pd.read_csv(only_run() / "metrics.csv")) == 1


def test_weights_that_exploded_are_not_kept(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of an epoch may spoil the weights behind a loss that is still a number."""
    step, calls = EpisodicTraining.step, 0

    def spoilt(
        self: EpisodicTraining, *given: object, **named: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        losses = step(self, *given, **named)  # type: ignore[arg-type]
        if calls == 8:
            with torch.no_grad():
                next(self.encoder.parameters()).fill_(float("inf"))
        return losses

    monkeypatch.setattr(EpisodicTraining, "step", spoilt)
    outcome = command("train", *TINY, f"paths.data={data}")
    assert outcome.code == 2
    assert "validation loss is nan after epoch 2" in outcome.err
    weights = load_checkpoint(only_run() / "last.pt").encoder.values()
    assert all(bool(torch.isfinite(each).all()) for each in weights)


def test_too_little_memory_in_training(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to lower; any other error of torch is shown as it is."""

    def scarce() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(EpisodicTraining, "step", from_call(6, scarce, EpisodicTraining.step))
    outcome = command("train", *TINY, f"paths.data={data}")
    assert outcome.code == 2
    assert "lower train.episodes_per_step, train.n_way" in outcome.err
    assert load_checkpoint(only_run() / "last.pt").epoch == 1


@pytest.mark.parametrize(("file", "place"), [("last.pt", 2), ("metrics.csv", 3)])
def test_a_full_disk_and_then_room_again(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch, file: str, place: int
) -> None:
    """One line with the file and how to go on; resumed, it ends as one that was never stopped."""
    assert command("train", *TINY, f"paths.data={data}", "paths.outputs=whole").code == 0
    (whole,) = Path("whole/train").iterdir()
    calls, fsync = 0, os.fsync

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1  # in an epoch best.pt, then last.pt, then metrics.csv
        if calls == place:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        outcome = command("train", *TINY, f"paths.data={data}")
    assert_one_line(outcome, f"{file}: No space left on device")
    run = only_run()
    assert f"resume={run}" in outcome.err or f"resume={run.absolute()}" in outcome.err
    assert not list(run.glob(".*"))
    assert command("train", f"resume={run}").code == 0
    for name in ("best.pt", "last.pt"):
        one, other = (load_checkpoint(folder / name).encoder for folder in (whole, run))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert (whole / "results.csv").read_bytes() == (run / "results.csv").read_bytes()


def test_a_folder_that_vanishes(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody tidies up outputs/ while a run is under way."""
    step = EpisodicTraining.step

    def tidied(*given: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        shutil.rmtree("outputs", ignore_errors=True)
        return step(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(EpisodicTraining, "step", tidied)
    outcome = command("train", *TINY, f"paths.data={data}")
    assert_one_line(outcome, "cannot write")


def test_bad_images_are_an_error_or_left_out(command: Command, tmp_path: Path) -> None:
    """on_bad_image=skip lists every one, in a file and in the results, and finds them once."""
    random = np.random.default_rng(0)
    faces = tmp_path / "faces"
    for number, name in enumerate(("anger", "fear", "joy", "sad")):
        for picture in range(9):
            draw_pattern(faces / name / f"{picture}.jpg", number, random)
    (faces / "joy/3.jpg").write_text("no picture")
    (faces / "sad/8.jpg").write_bytes(b"")
    both = ("dataset=folder", f"dataset.root={faces}", "eval=folder_5w5s", "eval.n_way=3")
    line = ("train", *TINY, *both, f"eval.dataset.root={faces}", "eval.k_shot=2")
    outcome = command(*line)
    assert outcome.code == 2
    assert "3.jpg is not a picture" in outcome.err
    assert not Path("outputs").exists()
    outcome = command(*line, "on_bad_image=skip")
    assert outcome.code == 0, outcome.err
    assert "2 image(s) that cannot be read are left out" in outcome.err
    listed = pd.read_csv(only_run() / "bad_images.csv")
    assert [Path(path).name for path in listed["path"]] == ["3.jpg", "8.jpg"]
    results = pd.read_csv(only_run() / "results.csv")
    assert results["warnings"].str.contains("bad_images:2").all()
    assert set(results["n_images"]) == {34}
    again = command(
        "test",
        f"run={only_run()}",
        "test=folder_5w5s",
        "on_bad_image=skip",
        f"test.dataset.root={faces}",
        "test.n_way=3",
        "test.episodes=5",
    )
    assert again.code == 0, again.err
