"""Embedding once and scoring in bulk must equal the plain way."""

import numpy as np
import pytest
import torch
from conftest import face_table
from small_networks import SHAPE, random_images, small_encoder

from fewshot_fer.episodes.pool import build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import evaluate, score_episodes
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import episode_logits, episode_losses, query_labels
from fewshot_fer.models.preprocessing import normalise


def test_bulk_scores_equal_one_forward_an_episode() -> None:
    """The fast path gives each episode the loss and accuracy that it has on its own."""
    table = face_table({"a": 15, "b": 9, "c": 6, "d": 20})
    episodes = draw_episodes(build_pool(table, SHAPE), 25, seed=0)
    images, encoder = random_images(len(table)), small_encoder()
    scores = evaluate(Embedder(encoder), PROTOTYPES, images, episodes)
    encoder.eval()
    labels = query_labels(3, 2)
    for number in range(25):
        rows = np.concatenate([episodes.support[number].ravel(), episodes.query[number].ravel()])
        with torch.no_grad():
            embeddings = encoder(normalise(images.gather(rows)))
        logits = episode_logits(embeddings[None], 3, 2, prototype_logits)
        loss = float(episode_losses(logits, labels))
        assert scores.loss[number] == pytest.approx(loss, rel=1e-4)
        accuracy = (logits[0].argmax(1) == labels).double().mean()
        assert scores.accuracy[number] == pytest.approx(float(accuracy))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little memory a chunk may take, the figures are the same."""
    table = face_table({"a": 15, "b": 9, "c": 6})
    episodes = draw_episodes(build_pool(table, SHAPE), 40, seed=0)
    embeddings = torch.randn(len(table), 16)
    rows = np.arange(len(table))
    whole = score_episodes(PROTOTYPES, embeddings, rows, episodes)
    monkeypatch.setattr("fewshot_fer.evaluation.scoring.DIRECT_BYTES", {"cpu": 1})
    parts = score_episodes(PROTOTYPES, embeddings, rows, episodes)
    assert np.array_equal(whole.accuracy, parts.accuracy)
    assert np.array_equal(whole.confusion, parts.confusion)
    np.testing.assert_allclose(whole.loss, parts.loss, rtol=1e-6)


def test_each_image_is_embedded_once_and_only_if_drawn() -> None:
    """Several tests on one table share embeddings, and images never drawn are never embedded."""
    images, encoder = random_images(50), small_encoder()
    seen: list[int] = []
    embedder = Embedder(encoder)
    forward = embedder.encode_pixels
    embedder.encode_pixels = lambda pixels: seen.append(len(pixels)) or forward(pixels)  # type: ignore[method-assign,func-returns-value]
    first = embedder.embed(images, np.array([3, 5, 8]))
    second = embedder.embed(images, np.array([3, 8, 9]))
    assert seen == [3, 1]
    torch.testing.assert_close(first[[0, 2]], second[:2])


def test_evaluation_leaves_the_encoder_as_it_was() -> None:
    """Validation neither moves batch-norm statistics nor leaves the encoder in eval mode."""
    images, encoder = random_images(20), small_encoder().train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    Embedder(encoder).embed(images, np.arange(20))
    assert encoder.training
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key])


def test_perfect_and_hopeless_embeddings_score_as_they_must() -> None:
    """Classes far apart: all right. All embeddings equal: the first position wins everywhere."""
    table = face_table({"a": 10, "b": 10, "c": 10})
    episodes = draw_episodes(build_pool(table, SHAPE), 30, seed=0)
    numbers = torch.tensor(table["label"].map({"a": 0, "b": 1, "c": 2}).tolist())
    rows = np.arange(len(table))
    apart = score_episodes(PROTOTYPES, torch.eye(3)[numbers] * 50, rows, episodes)
    assert apart.accuracy.mean() == 1.0
    assert apart.confusion.sum() == np.diag(apart.confusion).sum() == 30 * 3 * 2
    equal = score_episodes(PROTOTYPES, torch.zeros(len(table), 4), rows, episodes)
    assert equal.accuracy.mean() == pytest.approx(1 / 3)
    np.testing.assert_allclose(equal.loss, np.log(3), rtol=1e-6)
