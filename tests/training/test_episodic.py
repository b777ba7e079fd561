"""Epochs: several episodes a step, the captured steps, bfloat16, against the plain loop."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import Command
from small_networks import CHANGED, network, settings, small_encoder, training_task

from fewshot_fer.config.schema import AugmentConfig
from fewshot_fer.models.methods.feat import Feat
from fewshot_fer.models.network import Network
from fewshot_fer.models.preprocessing import Normalisation, normalise
from fewshot_fer.training.augmentation import Changes
from fewshot_fer.training.cuda_graph import GraphedSteps
from fewshot_fer.training.episodic import EpisodicTraining


class ReplayedOnCpu(GraphedSteps):
    """The captured steps with everything real but the capture, which takes a GPU."""

    def _capture(self) -> torch.cuda.CUDAGraph:
        step = self._step

        class Graph:
            def replay(self) -> None:
                step()

        return Graph()  # type: ignore[return-value]


@pytest.mark.parametrize("augment", [CHANGED, AugmentConfig()])
@pytest.mark.parametrize("episodes_per_step", [1, 2])
def test_captured_steps_are_those_of_the_plain_loop(
    augment: AugmentConfig, episodes_per_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Indices, changes and results that lie on the device give the same losses and weights, in a
    second epoch too."""
    monkeypatch.setattr("fewshot_fer.training.episodic.GraphedSteps", ReplayedOnCpu)
    images, protocol = training_task()
    chosen = settings(augment=augment, episodes_per_step=episodes_per_step)
    plain = EpisodicTraining(network(small_encoder()), chosen, 0)
    graphed = EpisodicTraining(network(small_encoder()), chosen, 0)
    graphed.capturing = True
    for epoch in (1, 2):
        one, other = (loop.run_epoch(images, protocol, epoch) for loop in (plain, graphed))
        np.testing.assert_array_equal(one.loss, other.loss)
        np.testing.assert_array_equal(one.confusion, other.confusion)
    assert isinstance(graphed.graph, ReplayedOnCpu)
    for key, value in plain.encoder.state_dict().items():
        assert torch.equal(value, graphed.encoder.state_dict()[key])


def test_a_graph_ends_when_embeddings_are_normalised_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was captured without a normalisation must not go on without it."""
    monkeypatch.setattr("fewshot_fer.training.episodic.GraphedSteps", ReplayedOnCpu)
    images, protocol = training_task()
    plain, graphed = (EpisodicTraining(network(small_encoder()), settings(), 0) for _ in range(2))
    graphed.capturing = True
    ways = (Normalisation(), Normalisation("l2"), Normalisation("cl2n", torch.ones(32)))
    for epoch, way in enumerate(ways, start=1):
        plain.normalisation = graphed.normalisation = way
        one, other = (loop.run_epoch(images, protocol, epoch) for loop in (plain, graphed))
        np.testing.assert_array_equal(one.loss, other.loss)
        captured = None if graphed.graph is None else graphed.graph.normalised
        assert captured == (None if way.kind == "cl2n" else way.kind)


def test_dropout_is_a_function_of_seed_and_epoch() -> None:
    """Whatever torch drew before, an epoch goes the same way; another epoch goes another."""
    images, protocol = training_task()
    losses = []
    for before, epoch in ((1, 2), (5, 2), (1, 3)):
        torch.manual_seed(0)
        dropping = Network(small_encoder(), None, Feat(32))
        torch.manual_seed(before)
        loop = EpisodicTraining(dropping, settings(lr=1e-9, augment=AugmentConfig()), 0)
        fixed = replace(protocol, loaded=protocol.draw(0, 1))  # the same episodes in all epochs
        losses.append(loop.run_epoch(images, fixed, epoch).loss)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert np.abs(losses[0] - losses[2]).max() > 1e-6


def test_a_step_that_cannot_be_captured_goes_on_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Here for want of a GPU: one line says why, and nothing of the run changes."""
    images, protocol = training_task()
    plain = EpisodicTraining(network(small_encoder()), settings(), 0)
    refused = EpisodicTraining(network(small_encoder()), settings(), 0)
    refused.capturing = True
    one, other = (loop.run_epoch(images, protocol, 1) for loop in (plain, refused))
    np.testing.assert_array_equal(one.loss, other.loss)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "no CUDA graph, steps are started one by one"
    ]


def test_warming_up_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps in front of a capture change neither weights nor statistics nor moments."""
    from fewshot_fer.training import cuda_graph as graphed

    images, protocol = training_task()
    loop = EpisodicTraining(network(small_encoder()), settings(), 0)
    loop.run_epoch(images, protocol, 1)
    before = copy.deepcopy((loop.encoder.state_dict(), loop.optimiser.state_dict()["state"]))
    restore = graphed._remembered(loop.encoder, loop.optimiser)
    loop.run_epoch(images, protocol, 2)
    restore()
    after = (loop.encoder.state_dict(), loop.optimiser.state_dict()["state"])
    for old, new in zip(before[0].values(), after[0].values(), strict=True):
        assert torch.equal(old, new)
    for number, state in before[1].items():
        for key, value in state.items():
            assert torch.equal(value, after[1][number][key])


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
            network(small_encoder().train()), settings(), 0, torch.float32, bf16
        )
        losses[bf16] = float(loop.step(normalise(pixels), 3, 2)[0])
        assert {p.dtype for p in loop.encoder.parameters()} == {torch.float32}
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.1, abs=0.1)


def test_changes_move_to_a_device_whole() -> None:
    """With or without colours."""
    for factors in (None, torch.ones(2, 3)):
        moved = Changes(torch.zeros(2, 4), torch.ones(2, 4), factors).to(torch.device("meta"))
        assert moved.rows.is_meta
        assert moved.columns.is_meta
        assert (moved.factors is None) == (factors is None)


def test_settings_that_cannot_work_are_named(command: Command) -> None:
    """bf16 without a GPU, and steps that do not divide an epoch."""
    if not torch.cuda.is_available():
        outcome = command("train", "experiment=demo", "precision=bf16")
        assert outcome.code == 2
        assert "precision=bf16 needs a GPU" in outcome.err
    outcome = command("train", "train.episodes_per_epoch=10", "train.episodes_per_step=4")
    assert outcome.code == 2
    assert "train.episodes_per_step=4" in outcome.err
