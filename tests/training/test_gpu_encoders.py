"""Supervised steps, images that stream and the encoders of papers on a GPU; skipped without one."""

import numpy as np
import pytest
import torch
from small_networks import moved, network, settings, small_encoder, training_task
from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.models import build_encoder
from fewshot_fer.models.fast.conv4_gpu import for_a_graph
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import build_logits, method_names
from fewshot_fer.models.network import Network, WeightAverage
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.system.device import Precision, prepare_device
from fewshot_fer.training.batches import Batches, draw_batches, shuffled_rows
from fewshot_fer.training.cuda_graph import CapturedSteps
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.supervised import SupervisedTraining

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
TRAINED_THROUGH = sorted({*method_names(learns=True), *method_names(has_weights=True)})


@pytest.fixture
def gpu() -> torch.device:
    """The GPU, as commands prepare it."""
    return prepare_device("cuda", 0)


@pytest.mark.parametrize("name", TRAINED_THROUGH)
def test_steps_of_each_method_are_captured(gpu: torch.device, name: str) -> None:
    """None of them waits for the GPU within a step."""
    images, protocol = training_task()
    logits = build_logits(name, n_features=32, channels=8)
    if isinstance(logits, nn.Module):
        logits.to(gpu)
    loop = EpisodicTraining(Network(small_encoder().to(gpu), None, logits), settings(), 0)
    scores = loop.run_epoch(moved(images, gpu), protocol, 1)
    assert isinstance(loop.captured, CapturedSteps)
    assert np.isfinite(scores.loss).all()


@pytest.mark.parametrize("bf16", [False, True])
def test_captured_batches_are_those_started_one_by_one(gpu: torch.device, bf16: bool) -> None:
    """Of two sizes, with a rate that falls in each step and an average of the weights; from images
    that lie on the GPU, and from others that are copied there before each step."""
    made = []
    for captured, on_device in ((False, True), (True, True), (True, False)):
        images, protocol = training_task()
        torch.manual_seed(0)
        kept = Network(small_encoder().to(gpu), nn.Linear(32, 4, device=gpu), prototype_logits)
        chosen = settings(batch_size=6, least_batches=8, schedule="cosine", lr=1e-3)
        loop = SupervisedTraining(kept, protocol, chosen, 0, Precision(bf16=bf16))
        average = WeightAverage(kept, 0.9)
        loop.after_step = average.update
        if captured:
            loop.capture_steps()
        seen = moved(images, gpu, on_device)
        with for_a_graph():
            losses = [loop.run_epoch(seen, protocol, epoch).loss for epoch in (1, 2)]
        if loop.captured is not None:
            steps = [each for _, each in loop.captured.blocks(batches_of(loop, seen, protocol))]
            assert all(isinstance(each, CapturedSteps) for each in steps)
            assert len(steps) == 2
        made.append((np.concatenate(losses), average.averaged().state()["encoder"]))
    (plain, weights), *others = made
    for losses, other_weights in others:
        np.testing.assert_allclose(losses, plain, rtol=1e-3, atol=1e-4)
        for key, value in weights.items():
            torch.testing.assert_close(other_weights[key], value, rtol=1e-2, atol=1e-3)
    np.testing.assert_array_equal(others[0][0], others[1][0])


def batches_of(loop: SupervisedTraining, images: FaceImages, protocol: EpisodicProtocol) -> Batches:
    least = loop.settings.least_batches * loop.settings.batch_size
    return draw_batches(images, shuffled_rows(protocol, 0, 3, least), loop.settings, 0, 3)


def test_steps_on_centred_embeddings_are_captured(gpu: torch.device) -> None:
    """With each epoch's own mean, and a rate that changes in each step, as the default training."""
    images, protocol = training_task()
    images = moved(images, gpu)
    chosen = settings(schedule="one_cycle", lr=1e-3)
    loops = [
        EpisodicTraining(network(small_encoder().to(gpu)), chosen, 0, fast=fast)
        for fast in (True, False)
    ]
    for epoch in (1, 2):
        mean = torch.full((32,), epoch / 10, device=gpu)
        for loop in loops:
            loop.normalisation = Normalisation("cl2n", mean)
        with for_a_graph():
            one, other = (loop.run_epoch(images, protocol, epoch) for loop in loops)
        np.testing.assert_allclose(one.loss, other.loss, rtol=1e-3, atol=1e-4)
    assert isinstance(loops[0].captured, CapturedSteps)


@pytest.mark.parametrize("captured", [False, True])
def test_images_that_stay_on_the_disk_give_the_same_epochs(
    gpu: torch.device, captured: bool
) -> None:
    """Bit for bit, and the same embeddings."""
    images, protocol = training_task()
    losses, embeddings = [], []
    for on_device in (True, False):
        seen = moved(images, gpu, on_device)
        assert seen.on_device == on_device
        loop = EpisodicTraining(network(small_encoder().to(gpu)), settings(), 0, fast=captured)
        losses.append([loop.run_epoch(seen, protocol, epoch).loss for epoch in (1, 2)])
        assert (loop.captured is not None) == captured
        embeddings.append(Embedder(loop.encoder).embed(seen, np.arange(len(seen))))
    np.testing.assert_array_equal(losses[0], losses[1])
    assert torch.equal(embeddings[0], embeddings[1])


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", ["resnet12", "resnet18", "efficientnet_b0", "face_expression"])
def test_steps_of_the_encoders_of_papers_are_captured(
    gpu: torch.device, name: str, bf16: bool
) -> None:
    """Of episodes and of batches, in both precisions; losses are numbers."""
    images, protocol = training_task()
    images = moved(images, gpu)
    drop_block = 0.1 if name == "resnet12" else 0.0
    encoder = build_encoder(BackboneConfig(name=name, weights="none", drop_block=drop_block))
    encoder = encoder.to(gpu, memory_format=torch.channels_last)
    width = encoder(torch.zeros(2, 3, 32, 32, device=gpu)).shape[1]
    kept = Network(encoder, nn.Linear(width, 4, device=gpu), prototype_logits)
    how = (settings(batch_size=8), 0, Precision(bf16=bf16))
    episodes, supervised = EpisodicTraining(kept, *how), SupervisedTraining(kept, protocol, *how)
    supervised.capture_steps()
    for loop in (episodes, supervised):
        assert np.isfinite(loop.run_epoch(images, protocol, 1).loss).all()
    assert isinstance(episodes.captured, CapturedSteps)
    assert supervised.captured is not None
    blocks = supervised.captured.blocks(batches_of(supervised, images, protocol))
    assert isinstance(blocks[0][1], CapturedSteps)
