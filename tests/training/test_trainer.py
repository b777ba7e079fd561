"""The trainer: rates, optimisers, averaged weights, losses and normalised embeddings."""

import copy
import math

import numpy as np
import pytest
import torch
from small_networks import settings, small_encoder, training_task
from torch import nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import BackboneConfig, MethodConfig
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.evaluation.training_statistics import gather_statistics, statistics_from
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network, WeightAverage
from fewshot_fer.models.preprocessing import Normalisation, normalise
from fewshot_fer.runs.checkpoint import Checkpoint
from fewshot_fer.runs.load import load_network
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.optim import build_optimiser, learning_rate, set_learning_rate
from fewshot_fer.training.trainer import Trainer

PLAIN = AugmentConfig()


def test_one_cycle_rises_and_falls_along_cosines() -> None:
    """From a 25th to the highest rate in three tenths, then down to a ten thousandth; episodes
    after a pretraining have a cycle of their own."""
    chosen = settings(schedule="one_cycle", lr=2.0, epochs=10)
    rates = [learning_rate(chosen, 1 + step // 10, step % 10 / 10) for step in range(100)]
    assert rates[0] == pytest.approx(2.0 / 25)
    assert rates[15] == pytest.approx((2.0 / 25 + 2.0) / 2)
    assert rates[30] == max(rates) == pytest.approx(2.0)
    assert rates[65] == pytest.approx((2.0 + 2e-4) / 2)
    assert learning_rate(chosen, 10, 1.0) == pytest.approx(2e-4)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    chosen = settings(schedule="one_cycle", lr=2.0, episodic_lr=0.5, epochs=10, supervised_epochs=8)
    assert learning_rate(chosen, 8, 1.0) == pytest.approx(2e-4)
    assert learning_rate(chosen, 9, 0.0) == pytest.approx(0.5 / 25)
    assert learning_rate(chosen, 9, 0.6) == pytest.approx(0.5)


def test_cosine_falls_to_nothing() -> None:
    chosen = settings(schedule="cosine", lr=2.0, epochs=4)
    assert learning_rate(chosen, 1, 0.0) == 2.0
    assert learning_rate(chosen, 3, 0.0) == pytest.approx(1.0)
    assert learning_rate(chosen, 2, 0.0) == pytest.approx(1 + math.cos(math.pi / 4))
    assert learning_rate(chosen, 4, 1.0) == pytest.approx(0.0)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_a_step_of_each_optimiser_by_hand(kind: str) -> None:
    """adamw shrinks weights beside the gradient, the others through it; sgd has Nesterov's."""
    weight = nn.Parameter(torch.tensor([2.0]))
    chosen = settings(optimiser=kind, lr=0.1, weight_decay=0.5)
    optimiser = build_optimiser([weight], chosen)
    weight.grad = torch.tensor([3.0])
    optimiser.step()
    expected = {
        "adam": 2 - 0.1,  # the first step goes the rate's length, whatever the gradient
        "adamw": 2 * (1 - 0.1 * 0.5) - 0.1,
        "sgd": 2 - 0.1 * (1 + 0.9) * (3 + 0.5 * 2),
    }
    assert weight.item() == pytest.approx(expected[kind], rel=1e-5)


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_the_encoders_own_rate_by_hand(rate: float) -> None:
    """Pretrained weights move by a share of the step that a new head takes, and after a change of
    the rate still do."""
    encoder, head = (nn.Parameter(torch.tensor([2.0])) for _ in range(2))
    chosen = settings(optimiser="sgd", lr=0.1, weight_decay=0.0, encoder_rate=rate)
    optimiser = build_optimiser([encoder, head], chosen, [encoder])
    set_learning_rate(optimiser, 0.5)
    encoder.grad, head.grad = torch.ones(1), torch.ones(1)
    optimiser.step()
    assert head.item() == pytest.approx(2 - 0.5 * 1.9)  # Nesterov's first step
    assert encoder.item() == pytest.approx(2 - rate * 0.5 * 1.9)


def test_frozen_batch_norms_stay_as_they_came() -> None:
    """Their statistics and weights, in training mode; the rest of the network learns."""
    encoder = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten())
    network = Network(encoder, None, prototype_logits)
    before = {name: value.clone() for name, value in encoder[1].state_dict().items()}
    for frozen in (True, False):
        network.start_training(freeze_batch_norm=frozen)
        encoder(torch.randn(8, 3, 2, 2)).square().sum().backward()
        own = {name: torch.equal(before[name], v) for name, v in encoder[1].state_dict().items()}
        assert own["running_mean"] is frozen
    assert encoder[0].weight.grad is not None
    assert encoder[1].weight.grad is None


def test_the_average_of_weights_by_hand() -> None:
    """The first weights are taken whole, later ones by their share; statistics too."""
    encoder = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = WeightAverage(Network(encoder, None, prototype_logits), decay=0.75)
    seen = []
    for value in (1.0, 5.0, 9.0):
        encoder[0].weight.data.fill_(value)  # type: ignore[operator,union-attr]
        encoder[1].running_mean.fill_(value)  # type: ignore[operator,union-attr]
        average.update()
        state = average.averaged().state()["encoder"]
        seen.append((float(state["0.weight"]), float(state["1.running_mean"])))
    assert seen == [(1.0, 1.0), (2.0, 2.0), (3.75, 3.75)]
    kept = average.state()
    other = WeightAverage(Network(copy.deepcopy(encoder), None, prototype_logits), decay=0.75)
    other.load(average.averaged().state(), kept)
    for each in (average, other):
        each.update()
    assert torch.equal(
        other.averaged().state()["encoder"]["0.weight"],
        average.averaged().state()["encoder"]["0.weight"],
    )


def trainer_of(method: MethodConfig, **train: object) -> tuple[Trainer, EpisodicTask]:
    images, protocol = training_task()
    task = EpisodicTask(protocol, images)
    backbone = BackboneConfig("conv4", filters=8, image_size=32)
    chosen = settings(augment=PLAIN, **train)
    verb = TrainVerb(backbone=backbone, method=method, train=chosen)
    return Trainer(verb, task, small_encoder()), task


def test_averaged_weights_are_evaluated_and_episodes_start_from_them() -> None:
    """With train.average the average is evaluated, and the next phase begins there."""
    phases = {"supervised_epochs": 1, "batch_size": 10, "lr": 0.05}
    found, _ = trainer_of(MethodConfig("protonet"), average=0.5, **phases)
    found.run_epoch(1)
    averaged = {k: v.clone() for k, v in found.evaluated.encoder.state_dict().items()}
    last = found.network.encoder.state_dict()
    key = next(name for name in averaged if name.endswith("weight"))
    assert not torch.equal(averaged[key], last[key])
    found.settings.train.lr = 1e-12  # so that the next epoch stays where it starts
    found.run_epoch(2)
    assert torch.allclose(found.network.encoder.state_dict()[key], averaged[key], atol=1e-5)


def test_a_classification_loss_beside_that_of_episodes() -> None:
    """train.classification_weight times the cross-entropy of all images of a step, by class."""
    images, protocol = training_task()
    encoder, head = small_encoder().train(), nn.Linear(32, 4)
    reference = copy.deepcopy(encoder), copy.deepcopy(head)
    weights = {"classification_weight": 0.3, "label_smoothing": 0.1}
    chosen = settings(augment=PLAIN, episodes_per_step=8, lr=1e-9, **weights)
    loop = EpisodicTraining(Network(encoder, head, prototype_logits), chosen, 0)
    loop.run_epoch(images, protocol, 1)
    episodes = protocol.draw(0, 1)
    parts = [episodes.support.reshape(8, -1), episodes.query.reshape(8, -1)]
    rows = np.concatenate(parts, axis=1).ravel()
    names = protocol.table["label"].to_numpy()[rows]
    labels = torch.tensor([protocol.pool.class_names.index(name) for name in names])
    embedded = reference[0](normalise(images.gather(rows)))
    loss = 0.3 * F.cross_entropy(reference[1](embedded), labels, label_smoothing=0.1)
    loss.backward()
    assert head.weight.grad is not None
    assert reference[1].weight.grad is not None
    torch.testing.assert_close(head.weight.grad, reference[1].weight.grad, rtol=1e-3, atol=1e-5)


def test_normalised_embeddings_by_hand() -> None:
    """l2 divides by the length; cl2n takes the training mean off before; nothing stays nothing."""
    embeddings = torch.tensor([[[3.0, 4.0], [-1.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(Normalisation()(embeddings), embeddings)
    by_length = torch.tensor([[[0.6, 0.8], [-1.0, 0.0], [0.0, 0.0]]])
    assert torch.allclose(Normalisation("l2")(embeddings), by_length)
    mean = torch.tensor([3.0, 0.0])
    centred = torch.tensor([[[0.0, 1.0], [-1.0, 0.0], [-1.0, 0.0]]])
    assert torch.allclose(Normalisation("cl2n", mean)(embeddings), centred)


def test_training_statistics_by_hand() -> None:
    """The mean that is stored is that of training images; prototypes are class means of normalised
    embeddings, and the spread is the mean squared distance to them."""
    images, protocol = training_task()
    encoder = small_encoder()
    statistics = gather_statistics(Embedder(encoder), EpisodicTask(protocol, images), seed=0)
    with torch.no_grad():
        embedded = encoder.eval()(normalise(images.gather(np.arange(40))))
    assert torch.allclose(statistics.mean, embedded.mean(dim=0), atol=1e-5)
    normalised = F.normalize(embedded - embedded.mean(dim=0), dim=1)
    labels = protocol.table["label"].to_numpy()
    classes = [normalised[torch.from_numpy(labels == name)] for name in statistics.class_names]
    means = torch.stack([own.mean(dim=0) for own in classes])
    assert torch.allclose(statistics.prototypes["cl2n"], means, atol=1e-5)
    spreads = [float((own - own.mean(dim=0)).square().sum() / (len(own) - 1)) for own in classes]
    assert statistics.spreads["cl2n"] == pytest.approx(np.mean(spreads), rel=1e-4)
    again = statistics_from(statistics.content(), "a checkpoint")
    assert torch.equal(again.mean, statistics.mean)


def test_going_on_knows_the_training_mean() -> None:
    """A resumed run normalises its next epoch as one that was not stopped; l2 needs no mean."""
    assert trainer_of(MethodConfig("simpleshot", "l2"))[0].normalisation.kind == "l2"
    found, task = trainer_of(MethodConfig("simpleshot", "cl2n"))
    assert found.normalisation.kind == "l2"  # before any mean is known
    statistics = gather_statistics(Embedder(small_encoder()), task, seed=0)
    found.run_epoch(1)
    checkpoint = Checkpoint(
        encoder=found.network.state()["encoder"],
        epoch=1,
        val_accuracy=0.0,
        class_names=list(statistics.class_names),
        image_size=32,
        optimiser=copy.deepcopy(found.optimiser_state(1)),
        training_side=statistics.content(),
    )
    resumed, _ = trainer_of(MethodConfig("simpleshot", "cl2n"))
    resumed.restore(checkpoint)
    assert resumed.normalisation.kind == "cl2n"
    assert resumed.normalisation.mean is not None
    assert torch.equal(resumed.normalisation.mean, statistics.mean)
    found.normalisation = statistics.normalisation("cl2n")
    one, other = (each.run_epoch(2)[0].loss for each in (found, resumed))
    np.testing.assert_array_equal(one, other)


def test_the_head_of_the_second_task_is_kept_to_go_on_and_is_no_part_of_what_is_loaded() -> None:
    """A resumed epoch is that of a run that was not stopped; inference knows nothing of it."""
    how = {"rotation_weight": 0.5, "supervised_epochs": 2, "batch_size": 10}
    (found, _), (resumed, _) = (trainer_of(MethodConfig("protonet"), **how) for _ in range(2))
    found.run_epoch(1)
    state = copy.deepcopy(found.network.state())
    assert state["rotation"]["weight"].shape == (4, 32)
    optimiser = copy.deepcopy(found.optimiser_state(1))
    checkpoint = Checkpoint(
        **state,
        epoch=1,
        val_accuracy=0.0,
        class_names=list("abcd"),
        image_size=32,
        optimiser=optimiser,
    )
    resumed.restore(checkpoint)
    one, other = (each.run_epoch(2)[0].loss for each in (found, resumed))
    np.testing.assert_array_equal(one, other)
    loaded = load_network(found.settings, checkpoint, found.device, "last.pt")
    assert set(loaded.modules()) == {"encoder", "head"}
