"""Predictions against a calculation by hand: prototypes, heads, methods of means, neighbours."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from typed_predict import make_run

from fewshot_fer.evaluation.support import SupportSet, support_of_names, with_priors
from fewshot_fer.inference.classifier import NONE, FaceClassifier
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.prototypes import CosinePrototypes
from fewshot_fer.runs.starter import starter
from fewshot_fer.system.errors import ConfigError


def test_predictions_by_hand() -> None:
    """Prototype, squared distance, temperature, threshold, neighbours: as numpy has them."""
    run = make_run(temperature=2.5)
    queries = torch.randn(40, 5)
    predictions = FaceClassifier(
        run, run.support, threshold=-6.0, neighbours=4
    ).classify_embeddings(queries)
    support, labels = run.support.embeddings.double().numpy(), run.support.labels.numpy()
    for row, query in enumerate(queries.double().numpy()):
        prototypes = np.array([support[labels == label].mean(axis=0) for label in range(3)])
        squared = ((query - prototypes) ** 2).sum(axis=1)
        shares = np.exp(-squared / 2.5) / np.exp(-squared / 2.5).sum()
        assert predictions.probabilities[row] == pytest.approx(shares, rel=1e-4)
        assert predictions.predicted[row] == squared.argmin()
        assert predictions.distances[row] == pytest.approx(math.sqrt(squared.min()), rel=1e-4)
        assert predictions.known[row] == (squared.min() <= 6)
        assert predictions.label(row) == ("abc"[squared.argmin()] if squared.min() <= 6 else NONE)
        far = np.sqrt(((query - support) ** 2).sum(axis=1))
        assert predictions.neighbours is not None
        nearest = predictions.neighbours[row]
        assert [near.file for near in nearest] == [f"{place}.jpg" for place in far.argsort()[:4]]
        assert [near.distance for near in nearest] == pytest.approx(np.sort(far)[:4], rel=1e-4)
    assert 0 < predictions.known.sum() < 40


def test_a_head_decides_for_its_own_classes_only() -> None:
    """Its logits over its own temperature; for another support prototypes decide."""
    head = nn.Linear(5, 3)
    run = make_run(2.5, head)
    queries = torch.randn(7, 5)
    with torch.no_grad():
        expected = torch.softmax(head(queries) / 4.0, dim=1).numpy()
    own = FaceClassifier(run, run.support)
    assert own.classify_embeddings(queries).probabilities == pytest.approx(expected, rel=1e-5)
    copy = SupportSet(**vars(run.support))
    other = FaceClassifier(run, copy).classify_embeddings(queries)
    plain = make_run(2.5)
    by_prototype = FaceClassifier(plain, plain.support)
    assert other.probabilities == pytest.approx(
        by_prototype.classify_embeddings(queries).probabilities
    )


def test_a_method_of_means_has_its_own_logits() -> None:
    """The scaled cosine over the temperature; distances and the threshold stay Euclidean."""
    cosine = Method("cosine", CosinePrototypes())
    run = make_run(2.5, method=cosine)
    queries = torch.randn(40, 5)
    classifier = FaceClassifier(run, run.support, threshold=-6.0)
    predictions = classifier.classify_embeddings(queries)
    support = run.support.embeddings.split([1, 2, 3])
    prototypes = torch.stack([own.mean(dim=0) for own in support])
    angles = nn.functional.cosine_similarity(queries[:, None], prototypes, dim=2)
    shares = torch.softmax(10 * angles / 2.5, dim=1)
    assert predictions.probabilities == pytest.approx(shares.numpy(), rel=1e-4)
    squared = torch.cdist(queries, prototypes).square()
    assert predictions.known.tolist() == (squared.amin(dim=1) <= 6).tolist()
    given = squared.gather(1, torch.from_numpy(predictions.predicted)[:, None])[:, 0].sqrt()
    assert predictions.distances == pytest.approx(given.numpy(), rel=1e-4)
    assert (classifier.decided_by, classifier.remarks()) == ("cosine", [])


def test_what_nobody_would_expect_is_said() -> None:
    """Prototypes stand in for a method made for episodes; a head may lack a temperature."""
    tim = Method("tim", lambda support, query: query)
    run, plain = make_run(2.5, method=tim), make_run(2.5)
    queries = torch.randn(9, 5)
    classifier = FaceClassifier(run, run.support)
    expected = FaceClassifier(plain, plain.support).classify_embeddings(queries)
    assert classifier.classify_embeddings(queries).probabilities == pytest.approx(
        expected.probabilities
    )
    assert classifier.decided_by == "prototypes"
    assert ["nearest prototype" in line for line in classifier.remarks()] == [True]
    uncalibrated = make_run(2.5, nn.Linear(5, 3), head_temperature=None)
    classifier = FaceClassifier(uncalibrated, uncalibrated.support)
    assert (classifier.temperature, classifier.is_calibrated) == (1.0, False)
    assert ["not calibrated" in line for line in classifier.remarks()] == [True]


def test_priors_are_no_neighbours() -> None:
    """What a support knows by names moves prototypes, and is no picture to show."""
    run = make_run(1.0)
    priors = Priors(("a", "b"), torch.zeros(2, 5), spread=1.0, weight=3.0, parts={})
    support = with_priors(run.support, priors)
    assert len(support.paths) == 8
    classifier = FaceClassifier(run, support, neighbours=20)
    predictions = classifier.classify_embeddings(torch.zeros(2, 5))  # where the priors lie
    assert predictions.neighbours is not None
    assert {near.file for near in predictions.neighbours[0]} == set(run.support.paths)
    named = FaceClassifier(run, support_of_names(["a", "b"], priors, "weights"), neighbours=5)
    assert named.classify_embeddings(torch.zeros(2, 5)).neighbours == [[], []]


def test_a_crop_is_classified_alike_in_any_company() -> None:
    """One by one, all at once, and in another order: the same classes."""
    run = make_run(1.0)
    classifier = FaceClassifier(run, run.support)
    crops = np.random.default_rng(1).integers(0, 256, (300, 3, 4, 4), dtype=np.uint8)
    whole = classifier.classify(crops)
    turned = classifier.classify(np.ascontiguousarray(crops[::-1]))
    assert turned.predicted[::-1].tolist() == whole.predicted.tolist()
    alone = [classifier.classify(crops[row : row + 1]).predicted[0] for row in range(50)]
    assert alone == whole.predicted[:50].tolist()


def test_relative_to_a_persons_neutral_face() -> None:
    """Embeddings move towards the support's neutral class, else training's: by hand; where neither
    knows one, a line says so."""
    run, own = make_run(2.5), torch.randn(3, 5)
    queries = torch.randn(6, 5)
    support = replace(run.support, class_names=("a", "Neutral", "c"))
    with_class = FaceClassifier(run, support, neutral=own).classify_embeddings(queries)
    shift = 3 / 5 * (run.support.embeddings[1:3].mean(dim=0) - own.mean(dim=0))
    expected = FaceClassifier(run, support).classify_embeddings(queries + shift)
    assert with_class.probabilities == pytest.approx(expected.probabilities, rel=1e-4)
    with pytest.raises(ConfigError, match="add a folder neutral/"):
        FaceClassifier(run, run.support, neutral=own)
    priors = replace(run.priors, class_names=("neutral", "b", "c"), prototypes=torch.randn(3, 5))
    knowing = replace(run, known_priors=priors)
    by_training = FaceClassifier(knowing, run.support, neutral=own).classify_embeddings(queries)
    shift = 3 / 5 * (priors.prototypes[0] - own.mean(dim=0))
    expected = FaceClassifier(run, run.support).classify_embeddings(queries + shift)
    assert by_training.probabilities == pytest.approx(expected.probabilities, rel=1e-4)


def test_the_starter_takes_a_persons_neutral_face_for_neutral() -> None:
    """A class loses what it exceeded neutral by, and neither less nor more: in numpy."""
    run = starter()
    random = torch.Generator().manual_seed(5)
    own, queries = torch.randn(2, 256, generator=random), torch.randn(9, 256, generator=random)
    assert run.embedder.head is not None
    with torch.no_grad():
        mean = run.embedder.head(own).mean(dim=0).numpy()
        logits = run.embedder.head(queries).double().numpy() - np.maximum(mean - mean[0], 0)
    assert mean.argmax() != 0
    shares = np.exp(logits / 3.2) / np.exp(logits / 3.2).sum(axis=1, keepdims=True)
    classifier = FaceClassifier(run, run.support, neutral=own)
    found = classifier.classify_embeddings(queries).probabilities
    np.testing.assert_allclose(found, shares, rtol=1e-4)
    at_rest = classifier.classify_embeddings(own.mean(dim=0, keepdim=True)).probabilities[0]
    assert at_rest[0] == pytest.approx(at_rest.max())
    named = starter(("happiness", "sadness"))
    with pytest.raises(ConfigError, match="classes="):
        FaceClassifier(named, named.support, neutral=own)
