"""Epochs of episodes: several a step, captured steps, bfloat16, against the plain loop."""

import copy
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from conftest import Command
from small_networks import (
    CHANGED,
    ReplayedOnCpu,
    clip_training_task,
    moved,
    network,
    settings,
    small_encoder,
    train_with_dropout,
    training_task,
)

from fewshot_fer.config.train_schema import AugmentConfig, TrainConfig
from fewshot_fer.models.fast import conv4_first_block
from fewshot_fer.models.network import WeightAverage
from fewshot_fer.models.preprocessing import Normalisation, normalise
from fewshot_fer.system.device import Precision
from fewshot_fer.training.cuda_graph import remember_state
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.pull_to_start import PullToStart


@pytest.fixture
def _replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewshot_fer.training.episodic.CapturedSteps", ReplayedOnCpu)


def plain_and_captured(chosen: TrainConfig) -> list[EpisodicTraining]:
    """Return two trainings of equal weights; the second tries to capture, as on a GPU."""
    loops = [EpisodicTraining(network(small_encoder()), chosen, 0) for _ in range(2)]
    loops[1].capturing = True
    return loops


@pytest.mark.usefixtures("_replayed")
@pytest.mark.parametrize("augment", [CHANGED, AugmentConfig()])
@pytest.mark.parametrize("episodes_per_step", [1, 2])
@pytest.mark.parametrize("unit", ["image", "clip"])
def test_captured_steps_are_those_of_the_plain_loop(
    augment: AugmentConfig, episodes_per_step: int, unit: str
) -> None:
    """Indices, changes and results that lie on the device give the same losses and weights, in a
    second epoch too; of images that all lie there, or of clips' that are copied step by step."""
    images, protocol = training_task() if unit == "image" else clip_training_task()
    held = moved(images, images.device, True) if unit == "image" else images
    how = {"augment": augment, "episodes_per_step": episodes_per_step, "unit": unit, "frames": 3}
    loops = plain_and_captured(settings(**how))
    plain, captured = loops
    for epoch in (1, 2):
        one = plain.run_epoch(images, protocol, epoch)
        other = captured.run_epoch(held, protocol, epoch)
        np.testing.assert_array_equal(one.loss, other.loss)
        np.testing.assert_array_equal(one.confusion, other.confusion)
    assert isinstance(captured.captured, ReplayedOnCpu)
    for key, value in plain.encoder.state_dict().items():
        assert torch.equal(value, captured.encoder.state_dict()[key])


@pytest.mark.usefixtures("_replayed")
def test_captured_steps_keep_to_the_start_as_the_plain_loop() -> None:
    """With a pull to it, rates by stage that change in every step, a frozen stage, and an average
    of the weights after each step."""
    images, protocol = training_task()
    loops = plain_and_captured(settings(layer_decay=0.5, schedule="cosine"))
    averages = [WeightAverage(loop.network, 0.9) for loop in loops]
    for loop, average in zip(loops, averages, strict=True):
        loop.after_step = average.update
        loop.network.frozen_stages = 1
        loop.after_backward = PullToStart(loop.encoder, 0.1).add_gradient
    for epoch in (1, 2):
        one, other = (loop.run_epoch(images, protocol, epoch) for loop in loops)
        np.testing.assert_array_equal(one.loss, other.loss)
    assert loops[1].captured is not None
    for networks in ([loop.network for loop in loops], [each.averaged() for each in averages]):
        state = networks[1].encoder.state_dict()
        for key, value in networks[0].encoder.state_dict().items():
            assert torch.equal(value, state[key])


@pytest.mark.usefixtures("_replayed")
def test_captured_steps_end_with_another_normalisation() -> None:
    """Steps captured with one normalisation of embeddings must not go on with another; those that
    centre embeddings go on, with each epoch's own mean."""
    images, protocol = training_task()
    loops = plain_and_captured(settings())
    means = torch.rand(2, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centred = [Normalisation("cl2n", mean) for mean in means]
    kinds, captures = (Normalisation(), Normalisation("l2"), *centred), []
    for epoch, normalisation in enumerate(kinds, start=1):
        for loop in loops:
            loop.normalisation = normalisation
        one, other = (loop.run_epoch(images, protocol, epoch) for loop in loops)
        np.testing.assert_array_equal(one.loss, other.loss)
        captures.append(loops[1].captured)
        assert loops[1].captured is not None
        assert loops[1].captured.step.normalisation == normalisation.kind
    assert len({id(each) for each in captures}) == 3


def test_a_step_that_cannot_be_captured_goes_on_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Here for want of a GPU: one line says why, and nothing of the run changes."""
    images, protocol = training_task()
    one, other = (loop.run_epoch(images, protocol, 1) for loop in plain_and_captured(settings()))
    np.testing.assert_array_equal(one.loss, other.loss)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "no CUDA graph, steps are started one by one"
    ]


def test_without_fast_paths_the_losses_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """fast=false: plain layers and steps, which round otherwise."""
    images, protocol = training_task()
    fused = MagicMock(wraps=conv4_first_block.first_block)
    monkeypatch.setattr(conv4_first_block, "first_block", fused)
    losses, calls = [], []
    for fast in (True, False):
        loop = EpisodicTraining(network(small_encoder(fast)), settings(), 0, fast=fast)
        before = fused.call_count
        losses.append(loop.run_epoch(images, protocol, 1).loss)
        calls.append(fused.call_count - before)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3, atol=1e-4)
    assert calls == [8, 0]


def test_dropout_is_a_function_of_seed_and_epoch() -> None:
    """Whatever torch drew before, an epoch goes the same way; another epoch goes another."""
    images = training_task()[0]
    losses = [
        train_with_dropout(images, drawn_before, epoch)[1]
        for drawn_before, epoch in ((1, 2), (5, 2), (1, 3))
    ]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert np.abs(losses[0] - losses[2]).max() > 1e-6


def test_warming_up_leaves_no_trace() -> None:
    """The steps in front of a capture change neither weights nor statistics nor moments."""
    images, protocol = training_task()
    loop = EpisodicTraining(network(small_encoder()), settings(), 0)
    loop.run_epoch(images, protocol, 1)

    def state() -> list[torch.Tensor]:
        moments = loop.optimiser.state_dict()["state"].values()
        kept = [
            *loop.encoder.state_dict().values(),
            *(v for each in moments for v in each.values()),
        ]
        return copy.deepcopy(kept)

    before, restore = state(), remember_state(loop.encoder, loop.optimiser)
    loop.run_epoch(images, protocol, 2)
    restore()
    assert all(map(torch.equal, before, state()))


def test_several_episodes_a_step_are_one_forward_and_the_mean_of_losses() -> None:
    """Batch norm sees both episodes, the gradient is that of the mean of their losses."""
    pixels = torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8)
    encoder = small_encoder().train()
    loop = EpisodicTraining(network(encoder), settings(episodes_per_step=2), 0)
    reference = copy.deepcopy(encoder)
    embeddings = reference(normalise(pixels)).view(2, 12, -1)
    losses = []
    for own in embeddings:
        prototypes = own[:6].view(3, 2, -1).mean(dim=1)
        logits = -torch.cdist(own[6:], prototypes).square()
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0, 1, 1, 2, 2])))
    (sum(losses) / 2).backward()  # type: ignore[union-attr]
    found, logits = loop.step(normalise(pixels), 3, 2)
    assert logits.shape == (2, 6, 3)
    torch.testing.assert_close(found, torch.stack(losses).detach(), rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(encoder.parameters(), reference.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)


def test_bfloat16_trains_float32_weights() -> None:
    """Only the forward is rounded: weights stay float32, and losses stay near the plain ones."""
    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8)
    losses = {}
    for bf16 in (False, True):
        loop = EpisodicTraining(
            network(small_encoder().train()), settings(), 0, Precision(bf16=bf16)
        )
        losses[bf16] = float(loop.step(normalise(pixels), 3, 2)[0])
        assert {p.dtype for p in loop.encoder.parameters()} == {torch.float32}
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.1, abs=0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can")
def test_bfloat16_without_a_gpu_is_refused(command: Command) -> None:
    outcome = command("train", "experiment=demo", "precision=bf16")
    assert outcome.code == 2
    assert "precision=bf16 needs a GPU" in outcome.err


def test_clips_train_on_the_mean_of_their_frames() -> None:
    """Clips of one picture, seen in four frames, have the losses of episodes of these pictures; a
    classifier's loss beside them counts every frame."""
    images, protocol = training_task()
    frames, counted = clip_training_task()
    same = replace(protocol, loaded=counted.draw(0, 1))
    losses = []
    for images_of, chosen, changes in (
        (images, same, {}),
        (frames, counted, {"unit": "clip", "frames": 3}),
        (frames, counted, {"unit": "clip", "frames": 7, "classification_weight": 1.0}),
    ):
        plain = {"lr": 1e-9, "augment": AugmentConfig(), "freeze_batch_norm": True, **changes}
        trained = network(small_encoder())
        trained.head = torch.nn.Linear(32, 4) if "classification_weight" in changes else None
        loop = EpisodicTraining(trained, settings(**plain), 0)
        losses.append(loop.run_epoch(images_of, chosen, 1).loss)
    assert np.ptp(losses[0]) > 0
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-4)
