"""Every fast way of evaluation equals the plain one, on fresh random input each time."""

import numpy as np
import pytest
import torch
from conftest import face_table
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation import scoring
from fewshot_fer.evaluation.embedder import fold_batch_norms
from fewshot_fer.evaluation.scoring import gram_matrix, prototype_logits_from_gram
from fewshot_fer.models import build_encoder
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.models.methods.prototypes import prototype_logits


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(*(st.integers(1, top) for top in (3, 5, 6, 4))),
    features=st.integers(1, 300),
    offset=st.floats(-100, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_inner_products_give_the_distances(
    shape: tuple[int, int, int, int], features: int, offset: float, seed: int
) -> None:
    """Far from the origin too, where inner products alone would lose the digits that matter."""
    n_episodes, n_way, k_shot, n_query = shape
    random = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(40, features, generator=random) + offset
    support = torch.randint(0, 40, (n_episodes, n_way, k_shot), generator=random)
    query = torch.randint(0, 40, (n_episodes, n_way * n_query), generator=random)
    fast = prototype_logits_from_gram(gram_matrix(embeddings), support, query)
    plain = prototype_logits(embeddings[support].double(), embeddings[query].double())
    largest = float(plain.abs().max())
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5 * max(1.0, largest, abs(offset)))


@pytest.mark.parametrize("n_episodes", [100, 5000])
def test_both_sides_of_the_cut_over_agree(n_episodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way is taken, the logits of every episode are the same and in the same order."""
    shape = Shape(n_way=4, k_shot=3, n_query=2)
    table = face_table(dict.fromkeys("abcdef", 400))
    episodes = draw_episodes(build_pool(table, shape), n_episodes, seed=n_episodes)
    rows = episodes.images()
    embeddings = torch.relu(torch.randn(len(rows), 64))
    taken = scoring.gram_pays(len(rows), episodes, embeddings)
    assert taken == (n_episodes == 5000)
    monkeypatch.setattr(scoring, "GRAM_CHUNK", 999)
    given_ = list(scoring.logits_in_chunks(PROTOTYPES, embeddings, rows, episodes))
    monkeypatch.setattr(scoring, "gram_pays", lambda *_: not taken)
    other = list(scoring.logits_in_chunks(PROTOTYPES, embeddings, rows, episodes))
    torch.testing.assert_close(torch.cat(given_), torch.cat(other), rtol=1e-4, atol=1e-3)


def test_a_matrix_that_is_too_large_is_not_made() -> None:
    """The stated bound of memory holds for any number of episodes."""
    shape = Shape(n_way=2, k_shot=1, n_query=1)
    table = face_table({"a": 5, "b": 5})
    episodes = draw_episodes(build_pool(table, shape), 100, seed=0)
    embeddings = torch.zeros(1, 8)
    assert scoring.gram_pays(100, episodes, embeddings)
    most = int((scoring.GRAM_BYTES / embeddings.element_size()) ** 0.5)
    many = draw_episodes(build_pool(table, shape), 2_000_000, seed=0)
    assert scoring.gram_pays(most, many, embeddings)
    assert not scoring.gram_pays(most + 1, many, embeddings)
    assert not scoring.gram_pays(most, many, embeddings.double())


@pytest.mark.parametrize("name", ["conv4", "resnet18"])
def test_folded_batch_norms_change_nothing(name: str) -> None:
    """After training has moved the running statistics, and without touching the original."""
    encoder = build_encoder(BackboneConfig(name=name, filters=16, image_size=64))
    for _ in range(3):
        encoder(torch.randn(8, 3, 64, 64) * 3 + 1)
    folded = fold_batch_norms(encoder)
    assert encoder.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.randn(5, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), encoder.eval()(images), rtol=1e-4, atol=1e-4)


class Untraceable(nn.Module):
    """An encoder whose way through depends on its input, which no tracing can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.sum() > 0:
            images = images * 2
        normed: torch.Tensor = self.norm(images)
        return normed.flatten(1)


def test_an_encoder_that_cannot_be_folded_is_used_as_it_is() -> None:
    """It is slower, not wrong, and in eval mode."""
    encoder = Untraceable()
    folded = fold_batch_norms(encoder)
    images = torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(folded(images), encoder.eval()(images))
