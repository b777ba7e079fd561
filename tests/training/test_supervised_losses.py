"""Losses of supervised epochs: of mixtures, of the second task, and those of a plain loop."""

import copy

import numpy as np
import pytest
import torch
from small_networks import settings, small_encoder, training_task
from torch import nn
from torch.nn import functional as F

from fewshot_fer.config.train_schema import AugmentConfig, TrainConfig
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.system.device import Precision
from fewshot_fer.training.augmentation import epoch_images
from fewshot_fer.training.batches import draw_batches, shuffled_rows
from fewshot_fer.training.quarter_turns import rotation_head
from fewshot_fer.training.supervised import SupervisedTraining
from fewshot_fer.training.targets import class_weights

N_CLASSES, SIDE = 4, 32
WEIGHED = {"class_weights": "inverse", "label_smoothing": 0.1, "lr": 1e-12, "batch_size": 40}


def training_of(chosen: TrainConfig) -> tuple[SupervisedTraining, Network]:
    _, protocol = training_task()
    encoder = small_encoder().double()
    head, rotation = nn.Linear(32, N_CLASSES).double(), None
    if chosen.rotation_weight:
        rotation = rotation_head(encoder, SIDE)
    network = Network(encoder, head, prototype_logits, rotation=rotation)
    return SupervisedTraining(network, protocol, chosen, 0, Precision(torch.float64)), network


def test_the_loss_of_mixtures_is_the_weighed_cross_entropy_of_both_labels() -> None:
    """With weights of classes and smoothing: that of either label by its share, over the weights of
    both; and torch's own of soft labels. Training accuracy counts the larger share."""
    images, protocol = training_task()
    chosen = settings(augment=AugmentConfig(mixup=1.0, cutmix=1.0), **WEIGHED)
    training, network = training_of(chosen)
    encoder, head = copy.deepcopy(network.encoder).train(), copy.deepcopy(network.modules()["head"])
    training.weights = torch.tensor([0.5, 1.0, 1.5, 3.0], dtype=torch.float64)  # classes differ
    scores = training.run_epoch(images, protocol, 1)
    shuffled = shuffled_rows(protocol, 0, 1)
    batches = draw_batches(images, shuffled, chosen, 0, 1)
    mixing, labels, weights = batches.mixing, shuffled[1], training.weights
    assert mixing is not None
    with torch.no_grad():
        logits = head(encoder(batches.images(slice(0, 40), torch.float64)))
    shares = torch.from_numpy(mixing.shares)
    total, divisor = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for share, classes in ((shares, labels), (1 - shares, labels[mixing.partners])):
        numbers = torch.from_numpy(classes)
        how = {"label_smoothing": 0.1, "reduction": "none"}
        total += (share * F.cross_entropy(logits, numbers, weights, **how)).sum()  # type: ignore[arg-type]
        divisor += (share * weights[numbers]).sum()
    assert scores.loss.tolist() == pytest.approx((total / divisor).tolist(), rel=1e-9)
    soft = batches.targets(slice(0, 40), N_CLASSES)
    by_torch = F.cross_entropy(logits, soft, weights, label_smoothing=0.1, reduction="sum")
    assert scores.loss.tolist() == pytest.approx([float(by_torch / (soft @ weights).sum())])
    larger = np.where(mixing.shares >= 0.5, labels, labels[mixing.partners])
    correct = logits.argmax(dim=1).numpy() == larger
    assert scores.accuracy.tolist() == pytest.approx([correct.mean()])
    assert scores.confusion.sum(axis=1).tolist() == np.bincount(larger, minlength=4).tolist()
    assert scores.row_correct.sum() == correct.sum()
    names = protocol.table["label"].to_numpy()
    asked = np.repeat(names[: len(scores.row_asked)], scores.row_asked.astype(int))
    assert sorted(asked) == sorted(np.array(protocol.pool.class_names)[larger])


def test_the_loss_of_the_second_task_is_added_by_its_weight() -> None:
    """Its gradient is that of the cross-entropy of the turns; the loss that is reported is that of
    the classes alone, of the turned images."""
    images, protocol = training_task()
    chosen = settings(augment=AugmentConfig(), rotation_weight=0.3, **WEIGHED)
    training, network = training_of(chosen)
    assert network.rotation is not None
    parts = (network.encoder, network.modules()["head"], network.rotation)
    encoder, head, rotation = copy.deepcopy(parts)
    training.weights = torch.tensor([0.5, 1.0, 1.5, 3.0], dtype=torch.float64)  # of classes alone
    loss = training.run_epoch(images, protocol, 1).loss
    rows, labels = shuffled_rows(protocol, 0, 1)
    turns = draw_batches(images, (rows, labels), chosen, 0, 1).turns
    assert turns is not None
    upright = normalise(images.gather(rows), torch.float64)
    turned = [torch.rot90(each, int(k), (1, 2)) for each, k in zip(upright, turns, strict=True)]
    embeddings = encoder.train()(torch.stack(turned))
    classified = F.cross_entropy(
        head(embeddings), torch.from_numpy(labels), training.weights, label_smoothing=0.1
    )
    expected = F.cross_entropy(rotation(embeddings), torch.from_numpy(turns))
    (classified + 0.3 * expected).backward()
    assert loss.tolist() == pytest.approx([float(classified.detach())], rel=1e-6)
    for module, own in ((network.encoder, encoder), (network.rotation, rotation)):
        for weight, reference in zip(module.parameters(), own.parameters(), strict=True):
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, reference.grad, rtol=1e-6, atol=1e-9)


def test_with_all_off_an_epoch_is_the_plain_loop_bit_for_bit() -> None:
    """Shuffled batches with their own changes, the cross-entropy of the labels, the optimiser."""
    images, protocol = training_task()
    chosen = settings(optimiser="adamw", lr=0.01, batch_size=16, class_weights="root")
    chosen.augment = AugmentConfig(0.5, 0.1, 0.1, 0.2)
    training, network = training_of(chosen)
    encoder, head = copy.deepcopy(network.encoder).train(), copy.deepcopy(network.modules()["head"])
    scores = training.run_epoch(images, protocol, 1)
    rows, labels = shuffled_rows(protocol, 0, 1)
    faces = epoch_images(images, rows, chosen.augment, 0, 1)
    weights = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=0.01, weight_decay=0.0, fused=True)
    balance, losses, start = class_weights(protocol, "root"), [], 0
    for numbers in np.array_split(labels, 3):
        given = torch.from_numpy(numbers)
        logits = head(encoder(faces.batch(slice(start, start + len(given)), torch.float64)))
        loss = F.cross_entropy(logits, given, balance, reduction="sum") / balance[given].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        start += len(given)
    assert scores.loss.tolist() == losses
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, network.encoder.state_dict()[name]), name
