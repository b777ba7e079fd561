"""Ridge, logistic regression, fine-tuning and Tip-Adapter against scikit-learn and plain loops."""

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.backbones.from_scratch import Conv4
from fewshot_fer.models.backbones.stages import require_stages
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.finetune import LR, STEPS, finetune_logits
from fewshot_fer.models.methods.floors import frequency_logits
from fewshot_fer.models.methods.logistic import logistic_logits
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.prototypes import COSINE_SCALE
from fewshot_fer.models.methods.ridge import SCALE, RidgeRegression
from fewshot_fer.models.methods.tip_adapter import ALPHA, BETA, cache_logits

SHAPES = pytest.mark.parametrize(
    ("way", "shot", "features"), [(4, 5, 64), (5, 1, 32), (3, 20, 8), (2, 2, 6)]
)


def unit_embeddings(way: int, shot: int, features: int) -> tuple[Tensor, Tensor]:
    """Return three episodes of unit length whose classes differ and do not lie about zero."""
    random = torch.Generator().manual_seed(way * shot)
    centres = torch.randn(3, way, 1, features, generator=random) + 0.5
    support = centres + torch.randn(3, way, shot, features, generator=random)
    query = centres + torch.randn(3, way, 6, features, generator=random)
    return F.normalize(support, dim=-1), F.normalize(query.flatten(1, 2), dim=-1)


@SHAPES
def test_ridge_as_scikit_learn(way: int, shot: int, features: int) -> None:
    support, query = unit_embeddings(way, shot, features)
    with torch.no_grad():
        logits = RidgeRegression()(support, query) / SCALE
    labels = np.repeat(np.arange(way), shot)
    for own, asked, found in zip(support, query, logits, strict=True):
        fitted = Ridge(alpha=1.0).fit(own.flatten(0, 1).double(), np.eye(way)[labels])
        assert np.abs(found.numpy() - fitted.predict(asked.double())).max() < 1e-5


@SHAPES
def test_logistic_regression_as_scikit_learn(way: int, shot: int, features: int) -> None:
    """Probabilities to 1e-4 and the same predictions, of a fit that scikit-learn takes to 1e-10."""
    support, query = unit_embeddings(way, shot, features)
    probabilities = logistic_logits(support, query).softmax(dim=-1)
    labels = np.repeat(np.arange(way), shot)
    for own, asked, found in zip(support, query, probabilities, strict=True):
        fitted = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000)
        fitted.fit(own.flatten(0, 1).double(), labels)
        expected = fitted.predict_proba(asked.double())
        if way == 2:  # scikit-learn fits one vector for two classes, as if they had a fourth each
            expected = _two_vectors(own, asked, labels)
        assert np.abs(found.numpy() - expected).max() < 1e-4
        assert (found.argmax(dim=1).numpy() == expected.argmax(axis=1)).all()


def _two_vectors(support: Tensor, query: Tensor, labels: np.ndarray) -> np.ndarray:
    """Return probabilities of two classes with a vector each: half the penalty of one vector."""
    fitted = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000)
    return fitted.fit(support.flatten(0, 1).double(), labels).predict_proba(query.double())


def test_finetuning_as_a_plain_loop() -> None:
    """Each episode has a copy of the last block, whose own weights stay as they are."""
    torch.manual_seed(0)
    encoder = Conv4(filters=4).eval()
    encoder(torch.randn(4, 3, 32, 32))
    images = torch.randn(2, 3 * 2 + 4, 3, 32, 32)
    stages = require_stages(encoder, 32, "finetune", block=True)
    before = copy.deepcopy(encoder.state_dict())
    with torch.inference_mode():
        taken = stages.before_block()(images.flatten(0, 1)).view(2, 10, -1)
        logits = finetune_logits(taken[:, :6].view(2, 3, 2, -1), taken[:, 6:], stages)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])
    for episode, pictures in enumerate(images):
        own = copy.deepcopy(encoder)
        expected = _fine_tuned(own, pictures)
        torch.testing.assert_close(logits[episode], expected, rtol=1e-3, atol=1e-3)


def _fine_tuned(encoder: Conv4, pictures: Tensor) -> Tensor:
    """Return logits of the last four pictures, after a fit of the last block to the first six."""
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    with torch.no_grad():
        vectors = encoder(pictures[:6]).view(3, 2, -1).mean(dim=1).requires_grad_()
    block = [*encoder.convolutions[-1].parameters(), *encoder.norms[-1].parameters()]
    optimiser = torch.optim.Adam([vectors, *block], lr=LR)

    def logits(some: Tensor) -> Tensor:
        return COSINE_SCALE * F.cosine_similarity(encoder(some)[:, None], vectors[None], dim=-1)

    for _ in range(STEPS):
        optimiser.zero_grad()
        F.cross_entropy(logits(pictures[:6]), labels).backward()
        optimiser.step()
    return logits(pictures[6:]).detach()


def test_finetuning_fits_the_support_better() -> None:
    """Pictures of noise, which class means of an untrained encoder do not tell apart."""
    torch.manual_seed(1)
    stages = require_stages(Conv4(filters=8).eval(), 32, "finetune", block=True)
    with torch.no_grad():
        taken = stages.before_block()(torch.randn(12, 3, 32, 32)).view(1, 4, 3, -1)
    labels = torch.arange(4).repeat_interleave(3)
    logits = finetune_logits(taken, taken.flatten(1, 2), stages)[0]
    assert F.cross_entropy(logits, labels) < 1.0 < np.log(4)


def test_tip_adapter_entry_by_entry() -> None:
    """The cache over one-hot labels, and the classifier: of a compound class its parts' mean."""
    support, query = unit_embeddings(2, 3, 5)
    random = torch.Generator().manual_seed(3)
    rows = torch.randn(3, 6, generator=random)
    head = Priors(("anger", "fear", "sadness"), rows, 0.0, None, {})
    names = ("fear", "sadly angry")
    method = Method("tip_adapter", cache_logits, head=head)
    classes = torch.tensor([[0, 1], [1, 0], [0, 1]])
    logits = method.among(names, query)(support, query, classes)
    vectors = {"fear": rows[1], "sadly angry": (rows[2] + rows[0]) / 2}
    for episode in range(3):
        for number, asked in enumerate(query[episode]):
            for place in range(2):
                own = vectors[names[classes[episode, place]]]
                expected = float(own[:5] @ asked + own[5])
                for picture in support[episode, place]:
                    cosine = float(F.cosine_similarity(picture, asked, dim=0))
                    expected += ALPHA * np.exp(-BETA * (1 - cosine))
                assert float(logits[episode, number, place]) == pytest.approx(expected, abs=1e-4)
    assert "classifier" in method.uses
    assert "parts" in method.uses


def test_class_frequency_is_chance_or_the_majority() -> None:
    support, query = unit_embeddings(4, 2, 5)
    frequency = Method("class_frequency", frequency_logits)
    classes = torch.arange(4).expand(3, 4)
    assert (frequency.among("abcd", query)(support, query, classes) == 0).all()
    by_size = frequency.among("abcd", query, sizes=[10, 40, 30, 20]).once(support[0], query[0])
    shares = torch.tensor([0.1, 0.4, 0.3, 0.2]).expand(len(query[0]), 4)
    torch.testing.assert_close(by_size.softmax(dim=1), shares)
