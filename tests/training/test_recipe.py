"""Recipes against learning by heart: the losses, averages and rates that they promise."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, Command
from small_networks import settings, small_encoder, training_task
from torch import nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import BackboneConfig, MethodConfig
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.models.backbones.drop_block import DropBlock
from fewshot_fer.models.backbones.stage_weights import stage_weights
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.optim import build_optimiser, set_learning_rate
from fewshot_fer.training.pull_to_start import PullToStart
from fewshot_fer.training.teacher import Teacher
from fewshot_fer.training.trainer import Trainer

SUPERVISED = {"supervised_epochs": 2, "batch_size": 10, "optimiser": "sgd", "lr": 0.05}
EPISODIC = {"supervised_epochs": 0, "optimiser": "sgd", "lr": 0.05}


def trainer_of(encoder: nn.Module | None = None, **train: object) -> Trainer:
    images, protocol = training_task()
    backbone = BackboneConfig("conv4", filters=8, image_size=32)
    chosen = settings(augment=AugmentConfig(), **train)
    verb = TrainVerb(backbone=backbone, method=MethodConfig("protonet"), train=chosen)
    torch.manual_seed(1)
    return Trainer(verb, EpisodicTask(protocol, images), encoder or small_encoder())


def teacher_of(head: nn.Module, columns: list[int], share: float, side: int = 32) -> Teacher:
    network = Network(small_encoder().eval(), head, prototype_logits)
    return Teacher(network, side, torch.tensor(columns), share, temperature=3.0)


def test_the_divergence_from_a_teacher_by_hand() -> None:
    """T² times the sum of p log(p / q), its classes in another order."""
    head, images = nn.Linear(32, 4), torch.randn(5, 3, 32, 32)
    teacher, own = teacher_of(head, [2, 0, 3, 1], share=0.5), torch.randn(5, 4)
    with torch.no_grad():
        given = head(teacher.network.encoder(images))[:, [2, 0, 3, 1]].double().numpy() / 3
    logits = own.double().numpy() / 3
    p, q = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (given, logits))
    expected = 9 * (p * np.log(p / q)).sum(axis=1)
    np.testing.assert_allclose(teacher.divergence(images, own).numpy(), expected, rtol=1e-4)
    same = teacher.divergence(images, teacher.logits(images))
    assert float(same.abs().max()) == pytest.approx(0, abs=1e-5)


def test_a_teacher_of_larger_images_sees_them_enlarged() -> None:
    head, images = nn.Linear(128, 4), torch.randn(2, 3, 32, 32)
    teacher = teacher_of(head, [0, 1, 2, 3], share=0.5, side=64)
    larger = F.interpolate(images, (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = head(teacher.network.encoder(larger))
    torch.testing.assert_close(teacher.logits(images), expected)


def test_the_share_of_a_teacher_in_the_loss() -> None:
    """(1 - share) of the labels' loss and share of the teacher's, as images count in the first;
    the teacher itself stays as it is."""
    trainers = [trainer_of(**SUPERVISED, class_weights="root") for _ in range(3)]
    teacher = teacher_of(nn.Linear(32, 4), [0, 1, 2, 3], share=0.3)
    trainers[1].teacher, trainers[2].teacher = teacher, replace(teacher, share=1.0)
    before = copy.deepcopy(teacher.network.state())
    plain, mixed, alone = (each.run_epoch(1)[0].loss[0] for each in trainers)
    assert mixed == pytest.approx(0.7 * plain + 0.3 * alone, rel=1e-5)
    assert plain != pytest.approx(alone, rel=1e-2)
    for part, state in teacher.network.state().items():
        assert all(torch.equal(before[part][name], value) for name, value in state.items())


@pytest.mark.parametrize("phase", [SUPERVISED, EPISODIC])
def test_the_average_of_the_last_epochs_is_their_mean(phase: dict[str, object]) -> None:
    """Of the weights as each epoch ended; before them the weights themselves are evaluated."""
    length = {"epochs": 4, "supervised_epochs": phase["supervised_epochs"] and 4}
    found, ended = trainer_of(**phase | length, average_last=0.5), []
    for epoch in range(1, 5):
        found.run_epoch(epoch)
        ended.append(copy.deepcopy(found.network.state()["encoder"]))
        assert (found.evaluated is found.network) == (epoch < 3)
    averaged = found.evaluated.encoder.state_dict()
    for name, weights in found.network.encoder.named_parameters():
        mean = (ended[2][name].double() + ended[3][name].double()) / 2
        torch.testing.assert_close(averaged[name].double(), mean, rtol=1e-6, atol=1e-7)
        assert weights.ndim == 1 or not torch.equal(averaged[name], weights)


def test_batch_norms_of_an_average_fit_the_training_images() -> None:
    """Mean and variance of the first block's outputs by the averaged weights: over batches, as
    torch counts them, all alike. In training they move on as before."""
    found = trainer_of(**SUPERVISED, average_last=1.0)
    for epoch in (1, 2):
        found.run_epoch(epoch)
    encoder, images = found.evaluated.encoder, found.training.images
    norm = encoder.norms[0]
    with torch.no_grad():
        outputs = encoder.convolutions[0](normalise(images.gather(np.arange(40))))
    # The mean of equal batches' means is that of all; of variances there is a part between batches.
    torch.testing.assert_close(norm.running_mean, outputs.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, outputs.var(dim=(0, 2, 3)), rtol=0.1, atol=1e-3)
    assert norm.momentum == 0.1
    assert int(norm.num_batches_tracked) == 4


def test_rates_fall_from_stage_to_stage_by_hand() -> None:
    """The last stage has the encoder's own rate, each before it a half; the head the whole."""
    encoder, head = small_encoder(), nn.Linear(32, 4)
    chosen = settings(optimiser="sgd", lr=0.1, encoder_rate=0.5, layer_decay=0.5)
    parameters = [*encoder.parameters(), *head.parameters()]
    stages = stage_weights(encoder)
    optimiser = build_optimiser(parameters, chosen, encoder.parameters(), stages)
    set_learning_rate(optimiser, 0.2)
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert len(rates) == len(parameters)
    by_stage = [{rates[id(weights)] for weights in stage} for stage in stages]
    assert by_stage == [{0.0125}, {0.025}, {0.05}, {0.1}]
    assert {rates[id(weights)] for weights in head.parameters()} == {0.2}


@pytest.mark.parametrize("phase", [SUPERVISED, EPISODIC])
def test_both_kinds_of_epochs_take_the_rates_of_stages(phase: dict[str, object]) -> None:
    """A first stage at a millionth of the rate hardly moves, the last one as without."""
    found, plain = trainer_of(**phase, layer_decay=0.01), trainer_of(**phase)
    start = small_encoder().convolutions
    for each in (found, plain):
        each.run_epoch(1)
    moved = [
        [
            float((own.weight - old.weight).detach().abs().max())
            for own, old in zip(c, start, strict=True)
        ]
        for c in (found.network.encoder.convolutions, plain.network.encoder.convolutions)
    ]
    assert moved[0][0] < 1e-3 * moved[1][0]
    assert moved[0][3] == pytest.approx(moved[1][3], rel=0.5)


@pytest.mark.parametrize("phase", [SUPERVISED, EPISODIC])
@pytest.mark.parametrize("average", [{}, {"average": 0.5}, {"average_last": 1.0}])
def test_frozen_stages_stay_to_the_bit(phase: dict[str, object], average: dict[str, float]) -> None:
    """Weights and statistics of the first two; the others learn, also in what is averaged."""
    found = trainer_of(**phase, **average, frozen_stages=2, weight_decay=0.1)
    before = copy.deepcopy(found.network.encoder.state_dict())
    for epoch in (1, 2):
        found.run_epoch(epoch)
    for encoder in (found.network.encoder, found.evaluated.encoder):
        same = {k: torch.equal(before[k], value) for k, value in encoder.state_dict().items()}
        assert all(kept for name, kept in same.items() if name.split(".")[1] in "01")
        changed = ("convolutions.2.weight", "norms.2.running_mean", "norms.3.weight")
        assert not any(same[name] for name in changed)


@pytest.mark.parametrize("phase", [SUPERVISED, EPISODIC])
def test_the_pull_to_the_start_by_hand(phase: dict[str, object]) -> None:
    """l2_start times the distance from where the encoder started, on top of the loss's gradient;
    of the head nothing."""
    found, start = trainer_of(**phase, l2_start=0.25), small_encoder().state_dict()
    found.run_epoch(1)
    for each in found.network.parameters():
        each.grad = torch.ones_like(each)
    assert found.pull is not None
    found.pull.add_gradient()
    for name, weights in found.network.encoder.named_parameters():
        torch.testing.assert_close(weights.grad, 1 + 0.25 * (weights.detach() - start[name]))
    if found.network.head is not None:
        assert torch.equal(found.network.head.weight.grad, torch.ones(4, 32))


@pytest.mark.parametrize("phase", [SUPERVISED, EPISODIC])
def test_steps_with_the_pull_stay_nearer_to_the_start(phase: dict[str, object]) -> None:
    distances = []
    for strength in (0.0, 0.5):
        found = trainer_of(**phase, l2_start=strength)
        start = copy.deepcopy(found.network.encoder.state_dict())
        for epoch in (1, 2):
            found.run_epoch(epoch)
        named = found.network.encoder.named_parameters()
        distances.append(sum(float((w.detach() - start[k]).square().sum()) for k, w in named))
    assert distances[1] < 0.8 * distances[0]


def test_a_step_with_the_pull_is_one_of_the_penalised_loss() -> None:
    """Of loss + l2_start / 2 * |w - w0|², by autograd, from weights that have left the start."""
    pixels = normalise(torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8))
    encoder = small_encoder().train()
    loop = EpisodicTraining(Network(encoder, None, prototype_logits), settings(), 0)
    start = {name: each.detach() + 0.1 for name, each in encoder.named_parameters()}
    pull = PullToStart(encoder, 0.5)
    pull.load(start)
    loop.after_backward = pull.add_gradient
    reference = copy.deepcopy(encoder)
    embedded = reference(pixels)
    prototypes = embedded[:6].view(3, 2, -1).mean(dim=1)
    logits = -torch.cdist(embedded[6:], prototypes).square()
    loss = F.cross_entropy(logits, torch.tensor([0, 0, 1, 1, 2, 2]))
    for name, weights in reference.named_parameters():
        loss = loss + 0.25 * (weights - start[name]).square().sum()
    loss.backward()
    loop.step(pixels, 3, 2)
    for ours, theirs in zip(encoder.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)


def test_dropped_blocks_are_a_function_of_seed_and_epoch() -> None:
    """Whatever torch drew before, an epoch goes the same way; another epoch goes another."""
    images, protocol = training_task()
    fixed = replace(protocol, loaded=protocol.draw(0, 1))
    losses = []
    for drawn_before, epoch in ((1, 2), (5, 2), (1, 3)):
        encoder = nn.Sequential(small_encoder().stages()[0], DropBlock(0.3), nn.Flatten())
        torch.manual_seed(drawn_before)
        chosen = settings(lr=1e-9, augment=AugmentConfig())
        loop = EpisodicTraining(Network(encoder, None, prototype_logits), chosen, 0)
        losses.append(loop.run_epoch(images, fixed, epoch).loss)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert np.abs(losses[0] - losses[2]).max() > 1e-6


def test_the_best_is_chosen_among_averages(data: Path, command: Command) -> None:
    """Whatever validation said of single epochs before; the average is what a test then takes."""
    line = (*TINY, "train.epochs=3", "train.patience=0", "train.average_last=0.34")
    places = (f"paths.data={data}", "hydra.run.dir=run", "eval=compound_4w5s", "eval.episodes=5")
    outcome = command("train", *line, *places)
    assert outcome.code == 0, outcome.err
    kept = load_checkpoint(Path("run/best.pt"))
    assert kept.epoch == 3
    assert kept.raw is not None
    last = kept.raw["network"]["encoder"]
    # Of one epoch alone the average has its weights, with statistics of its own.
    assert torch.equal(kept.encoder["convolutions.1.weight"], last["convolutions.1.weight"])
    assert not torch.equal(kept.encoder["norms.1.running_mean"], last["norms.1.running_mean"])
