"""Prototypes, logits, loss and one training step against implementations that share no code."""

import numpy as np
import pytest
import torch
from easyfsl.methods import PrototypicalNetworks
from torch import nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.config.train_schema import AugmentConfig, TrainConfig
from fewshot_fer.models import build_encoder
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import Network, episode_logits, episode_losses, query_labels
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.system.device import Precision
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.optim import learning_rate


def classic_settings(**changes: object) -> TrainConfig:
    values = {"epochs": 500, "episodes_per_epoch": 100, "n_way": 3, "k_shot": 5, "n_query": 5}
    return TrainConfig(**{**values, "augment": AugmentConfig(), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n_way", "k_shot", "n_query"), [(3, 5, 5), (4, 5, 1), (7, 1, 1), (2, 1, 3)]
)
def test_logits_loss_and_accuracy_equal_easyfsl(n_way: int, k_shot: int, n_query: int) -> None:
    """easyfsl's logits are minus the distance; squared, they are ours, to 1e-5 of their size."""
    torch.manual_seed(n_way)
    support = torch.randn(n_way, k_shot, 64)
    query = torch.randn(n_way * n_query, 64)
    labels = query_labels(n_way, n_query)
    reference = PrototypicalNetworks(nn.Identity())
    reference.process_support_set(
        support.flatten(0, 1), torch.arange(n_way).repeat_interleave(k_shot)
    )
    theirs = -reference(query).square()
    ours = prototype_logits(support[None], query[None])[0]
    torch.testing.assert_close(support.mean(dim=1), reference.prototypes, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        episode_losses(ours[None], labels)[0],
        nn.CrossEntropyLoss()(theirs, labels),
        rtol=1e-5,
        atol=1e-5,
    )
    assert torch.equal(ours.argmax(1), theirs.argmax(1))


class ClassicEncoder(nn.Sequential):
    """The study's encoder, written out: convolution, norm, ReLU, pool, in this order."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before in (3, 64, 64, 64):
            layers += [nn.Conv2d(before, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        super().__init__(*layers, nn.Flatten())


def classic_step(
    encoder: nn.Module, images: torch.Tensor, n_way: int, k_shot: int, n_query: int
) -> tuple[float, float, torch.Tensor]:
    """One step of the study, image by image and class by class. Loss, accuracy, logits."""
    optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    embeddings = encoder(images)
    logits = torch.zeros(n_way * n_query, n_way, dtype=torch.float64)
    for position in range(n_way):
        own = embeddings[position * k_shot : (position + 1) * k_shot]
        prototype = sum(own[shot] for shot in range(k_shot)) / k_shot
        for query in range(n_way * n_query):
            difference = embeddings[n_way * k_shot + query] - prototype
            logits[query, position] = -(difference * difference).sum()
    labels = np.repeat(np.arange(n_way), n_query)
    log_probability = torch.log_softmax(logits, dim=1)
    loss = -sum(log_probability[i, label] for i, label in enumerate(labels)) / len(labels)
    correct = sum(int(logits[i].argmax()) == label for i, label in enumerate(labels))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach()), correct / len(labels), logits.detach()


def test_one_float64_step_equals_the_study() -> None:
    """Loss, logits, accuracy and every weight after a step agree with the study's way to 1e-10."""
    torch.manual_seed(3)
    encoder = build_encoder(BackboneConfig(name="conv4")).double()
    reference = ClassicEncoder().double()
    # Our layers are grouped by kind, the reference's by block: match them by kind and order.
    weights = {}
    for block in range(4):
        for ours, theirs in (("convolutions", 4 * block), ("norms", 4 * block + 1)):
            for key, value in encoder.state_dict().items():
                if key.startswith(f"{ours}.{block}."):
                    weights[f"{theirs}.{key.rsplit('.', 1)[1]}"] = value.clone()
    reference.load_state_dict(weights)
    pixels = torch.randint(0, 256, (30, 3, 84, 84), dtype=torch.uint8)
    batch = normalise(pixels, torch.float64)
    loop = EpisodicTraining(
        Network(encoder, None, prototype_logits), classic_settings(), 0, Precision(torch.float64)
    )
    encoder.train()
    losses, all_logits = loop.step(batch, 3, 5)
    loss, logits = losses[0], all_logits[0]
    their_loss, their_accuracy, their_logits = classic_step(reference, batch, 3, 5, 5)
    assert loss.item() == pytest.approx(their_loss, rel=1e-10)
    torch.testing.assert_close(logits, their_logits, rtol=1e-10, atol=1e-10)
    assert (logits.argmax(1) == query_labels(3, 5)).double().mean().item() == their_accuracy
    after = reference.state_dict()
    for block in range(4):
        for ours, theirs in (("convolutions", 4 * block), ("norms", 4 * block + 1)):
            for key, value in encoder.state_dict().items():
                if key.startswith(f"{ours}.{block}."):
                    expected = after[f"{theirs}.{key.rsplit('.', 1)[1]}"]
                    # Adam divides by the gradient's size: rounding shows where it is nearly zero,
                    # as for the biases before batch norm, whose true gradient is zero.
                    if not (ours == "convolutions" and key.endswith("bias")):
                        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)


def test_learning_rate_is_halved_before_the_epoch() -> None:
    """Epochs count from 1: the fortieth is the first at half the rate."""
    settings = classic_settings(lr=1e-3, drop_lr_every=40)
    rates = [learning_rate(settings, epoch) for epoch in (1, 39, 40, 79, 80, 400)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 1e-3 / 1024])
    assert learning_rate(classic_settings(drop_lr_every=0), 400) == 1e-3


def test_normalisation_is_that_of_imagenet() -> None:
    """0..255 to 0..1, then the channel's mean and deviation; channels_last, values unchanged."""
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (pixels.numpy() / 255 - mean[:, None, None]) / std[:, None, None]
    result = normalise(pixels, torch.float64)
    assert result.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-12)


def test_one_forward_mixes_support_and_query_statistics() -> None:
    """In training the batch norm sees support and query together, as in the study."""
    torch.manual_seed(1)
    encoder = build_encoder(BackboneConfig(name="conv4", filters=4, image_size=32)).train()
    batch = torch.randn(8, 3, 32, 32)
    joint = encoder(batch)
    apart = torch.cat([encoder(batch[:4]), encoder(batch[4:])])
    assert not torch.allclose(joint, apart, atol=1e-3)
    assert episode_logits(joint[None], 2, 2, prototype_logits).shape == (1, 4, 2)
