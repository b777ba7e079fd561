"""What only a GPU can show; skipped where there is none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command, face_table, train_in
from small_networks import (
    CHANGED,
    SHAPE,
    moved,
    network,
    random_images,
    settings,
    small_encoder,
    train_with_dropout,
    training_task,
)
from torch import nn

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.episodes.pool import build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import evaluate
from fewshot_fer.models.fast.conv4_gpu import for_a_graph
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network
from fewshot_fer.system.device import Precision, prepare_device
from fewshot_fer.training.cuda_graph import CapturedSteps
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.optim import load_optimiser
from fewshot_fer.training.pull_to_start import PullToStart

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def gpu() -> torch.device:
    """The GPU, as commands prepare it."""
    return prepare_device("cuda", 0)


@pytest.mark.parametrize("augment", [CHANGED, AugmentConfig()])
@pytest.mark.parametrize("episodes_per_step", [1, 2])
@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_captured_steps_are_those_started_one_by_one(
    gpu: torch.device, augment: AugmentConfig, episodes_per_step: int, optimiser: str
) -> None:
    """Losses, answers and weights, over epochs between which the learning rate falls; with the same
    kernels, as others round otherwise and each step would carry that on."""
    images, protocol = training_task()
    images = moved(images, gpu)
    chosen = settings(
        augment=augment,
        episodes_per_step=episodes_per_step,
        optimiser=optimiser,
        drop_lr_every=2,
        lr=0.01,
    )
    loops = [
        EpisodicTraining(network(small_encoder().to(gpu)), chosen, 0, fast=fast)
        for fast in (True, False)
    ]
    captured, plain = loops
    for epoch in (1, 2, 3):
        with for_a_graph():
            one, other = (loop.run_epoch(images, protocol, epoch) for loop in loops)
        np.testing.assert_allclose(one.loss, other.loss, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(one.confusion, other.confusion)
    assert isinstance(captured.captured, CapturedSteps)
    assert plain.captured is None
    for key, value in plain.encoder.state_dict().items():
        torch.testing.assert_close(captured.encoder.state_dict()[key], value, rtol=1e-3, atol=1e-4)


def test_bfloat16_is_captured_too(gpu: torch.device) -> None:
    """Weights stay float32, losses stay near those in float32 and are not the same."""
    images, protocol = training_task()
    images = moved(images, gpu)
    losses = []
    for bf16 in (False, True):
        encoder = small_encoder().to(gpu)
        loop = EpisodicTraining(network(encoder), settings(lr=1e-4), 0, Precision(bf16=bf16))
        losses.append(loop.run_epoch(images, protocol, 1).loss)
        assert isinstance(loop.captured, CapturedSteps)
        assert {each.dtype for each in encoder.parameters()} == {torch.float32}
    assert np.abs(losses[0] - losses[1]).max() > 1e-6
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.1, atol=0.1)


def test_dropout_in_captured_steps_is_a_function_of_seed_and_epoch(gpu: torch.device) -> None:
    """Another epoch drops otherwise, the same one alike, whatever was drawn before."""
    images = moved(training_task()[0], gpu)
    losses = []
    for drawn_before, epoch in ((1, 2), (5, 2), (1, 3)):
        loop, loss = train_with_dropout(images, drawn_before, epoch)
        assert isinstance(loop.captured, CapturedSteps)
        losses.append(loss)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert np.abs(losses[0] - losses[2]).max() > 1e-6


def test_a_pull_to_the_start_and_rates_by_stage_are_captured(gpu: torch.device) -> None:
    """As steps that are started one by one; a frozen stage stays as it was."""
    images = moved(training_task()[0], gpu)
    chosen = settings(optimiser="sgd", lr=0.01, layer_decay=0.5)
    loops = []
    for fast in (True, False):
        encoder = small_encoder().to(gpu)
        kept = Network(encoder, None, prototype_logits, frozen_stages=1)
        loops.append(EpisodicTraining(kept, chosen, 0, fast=fast))
        loops[-1].after_backward = PullToStart(encoder, 0.1).add_gradient
    for epoch in (1, 2):
        with for_a_graph():
            one, other = (loop.run_epoch(images, training_task()[1], epoch) for loop in loops)
        np.testing.assert_allclose(one.loss, other.loss, rtol=1e-4, atol=1e-5)
    assert isinstance(loops[0].captured, CapturedSteps)
    start = small_encoder().state_dict()
    for key, value in loops[0].encoder.state_dict().items():
        assert ".0." not in key or torch.equal(value.cpu(), start[key])
        torch.testing.assert_close(value, loops[1].encoder.state_dict()[key], rtol=1e-3, atol=1e-4)


def test_a_step_that_waits_for_the_gpu_is_started_one_by_one(
    gpu: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be captured trains all the same, and the GPU can still capture afterwards."""

    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = small_encoder()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            embeddings: torch.Tensor = self.encoder(images)
            return embeddings if float(embeddings.detach().sum()) else embeddings + 1

    images, protocol = training_task()
    images = moved(images, gpu)
    asking = EpisodicTraining(network(Asking().to(gpu)), settings(), 0)
    plain = EpisodicTraining(network(small_encoder().to(gpu)), settings(), 0)
    for epoch in (1, 2):
        with for_a_graph():
            one, other = (loop.run_epoch(images, protocol, epoch) for loop in (asking, plain))
        np.testing.assert_allclose(one.loss, other.loss, rtol=1e-4, atol=1e-5)
    assert asking.captured is None
    assert isinstance(plain.captured, CapturedSteps)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "no CUDA graph, steps are started one by one"
    ]


@pytest.mark.parametrize("n_episodes", [20, 4000])
def test_evaluation_is_that_of_a_cpu(gpu: torch.device, n_episodes: int) -> None:
    """Both ways to score, the direct one and that by inner products."""
    table = face_table({"a": 15, "b": 9, "c": 6, "d": 20})
    episodes = draw_episodes(build_pool(table, SHAPE), n_episodes, seed=0)
    images = random_images(len(table))
    here, there = (
        evaluate(Embedder(small_encoder().to(device)), PROTOTYPES, moved(images, device), episodes)
        for device in (torch.device("cpu"), gpu)
    )
    # Convolutions are in TF32 there: 10 bits of a number, a thousandth.
    np.testing.assert_allclose(here.loss, there.loss, rtol=0.02, atol=0.02)
    assert np.abs(here.confusion - there.confusion).sum() <= 0.02 * here.confusion.sum()


def test_the_same_command_gives_the_same_tables(
    data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On the same GPU, to the last digit; on a CPU nearly so."""
    tables = []
    for device in ("cuda", "cuda", "cpu"):
        folder = tmp_path_factory.mktemp(device)
        line = ("eval=compound_4w5s", "eval.episodes=10", f"paths.data={data}", f"device={device}")
        run = train_in(folder, cache, *TINY, *line, "train.episodes_per_epoch=8")
        tables.append([pd.read_csv(run / name) for name in ("metrics.csv", "results.csv")])
    for one, again in zip(tables[0], tables[1], strict=True):
        own = [name for name in one if name not in ("seconds", "config")]
        pd.testing.assert_frame_equal(one[own], again[own], check_exact=True)
    losses = [table[0]["train_loss"].to_numpy() for table in tables]
    np.testing.assert_allclose(losses[0], losses[2], rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_moments_of_one_device_are_taken_up_on_another(
    gpu: torch.device, tmp_path: Path, first: str, then: str
) -> None:
    """Through a file, as a resumed run takes them; a GPU captures its steps all the same."""
    images, protocol = training_task()
    loops = []
    for device in (first, then):
        encoder = small_encoder().to(device)
        loops.append(EpisodicTraining(network(encoder), settings(lr=0.01), 0))
    loops[0].run_epoch(moved(images, torch.device(first)), protocol, 1)
    torch.save([loops[0].encoder.state_dict(), loops[0].optimiser.state_dict()], tmp_path / "pt")
    weights, moments = torch.load(tmp_path / "pt", map_location="cpu", weights_only=True)
    loops[1].encoder.load_state_dict(weights)
    load_optimiser(loops[1].optimiser, moments)
    one, other = (loop.run_epoch(moved(images, loop.device), protocol, 2) for loop in loops)
    np.testing.assert_allclose(one.loss, other.loss, rtol=0.05, atol=0.05)
    for loop in loops:
        assert isinstance(loop.captured, CapturedSteps) == (loop.device.type == "cuda")


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_of_one_device_is_tested_on_another(
    data: Path, command: Command, first: str, then: str
) -> None:
    """A checkpoint says nothing of where it was made."""
    line = ("eval=compound_4w5s", "eval.episodes=10", f"paths.data={data}", f"device={first}")
    trained = command("train", *TINY, *line, "train.episodes_per_epoch=8")
    assert trained.code == 0, trained.err
    assert "no CUDA graph" not in trained.err
    own = ("test=compound_4w5s", "test.episodes=10", f"device={then}")
    tested = command("test", f"run={trained.folder}", *own)
    assert tested.code == 0, tested.err
