"""Scores of episodes, and of a fixed support with the votes of frames over their clip."""

import numpy as np
import pytest
import torch
from conftest import face_table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import NearestCentroid
from small_networks import SHAPE, random_images, small_encoder

from fewshot_fer.episodes.fixed_support import FixedProtocol, FixedSupport
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation import scoring
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import (
    evaluate,
    gram_matrix,
    prototype_logits_from_gram,
    score_episodes,
)
from fewshot_fer.evaluation.votes import (
    fixed_log_probabilities,
    mean_by_clip,
    predictions_by_level,
    vote_by_majority,
)
from fewshot_fer.models.methods.method import PROTOTYPES, BoundMethod
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
    monkeypatch.setattr(scoring, "DIRECT_BYTES", {"cpu": 1})
    chunked = score_episodes(PROTOTYPES, embeddings, rows, episodes)
    assert np.array_equal(whole.accuracy, chunked.accuracy)
    assert np.array_equal(whole.confusion, chunked.confusion)
    np.testing.assert_allclose(whole.loss, chunked.loss, rtol=1e-6)


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
    taken_way = list(scoring.logits_in_chunks(PROTOTYPES, embeddings, rows, episodes))
    monkeypatch.setattr(scoring, "gram_pays", lambda *_: not taken)
    other = list(scoring.logits_in_chunks(PROTOTYPES, embeddings, rows, episodes))
    torch.testing.assert_close(torch.cat(taken_way), torch.cat(other), rtol=1e-4, atol=1e-3)


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


def test_probabilities_and_labels_equal_nearest_centroid() -> None:
    """The nearest prototype is scikit-learn's nearest centroid; probabilities sum to one."""
    torch.manual_seed(0)
    support, query = torch.randn(4, 6, 10), torch.randn(3000, 10)
    ours = fixed_log_probabilities(BoundMethod(prototype_logits), support, query)
    centroid = NearestCentroid().fit(support.flatten(0, 1).numpy(), np.repeat(np.arange(4), 6))
    assert np.array_equal(ours.argmax(axis=1), centroid.predict(query.numpy()))
    np.testing.assert_allclose(np.exp(ours).sum(axis=1), 1, rtol=1e-9)


def test_votes_by_hand() -> None:
    """Mean probability and majority disagree where one frame is sure; a tie goes to the surer."""
    frames = np.array([[0.9, 0.1], [0.45, 0.55], [0.4, 0.6], [0.7, 0.3], [0.35, 0.65]])
    clips = np.array([0, 0, 0, 1, 1])
    mean = mean_by_clip(frames, clips)
    np.testing.assert_allclose(mean, [[1.75 / 3, 1.25 / 3], [0.525, 0.475]])
    majority = vote_by_majority(frames, clips)
    assert mean.argmax(axis=1).tolist() == [0, 0]
    assert majority.argmax(axis=1).tolist() == [1, 0]


def test_tie_break_never_outvotes_a_frame() -> None:
    """One frame more decides, however sure the others were."""
    for frames in range(3, 60, 2):
        less = frames // 2
        sure = np.tile([[0.999, 0.001]], (less, 1))
        unsure = np.tile([[0.499, 0.501]], (less + 1, 1))
        voted = vote_by_majority(np.concatenate([sure, unsure]), np.zeros(frames, dtype=np.int64))
        assert voted.argmax(axis=1).tolist() == [1]


@pytest.mark.parametrize("vote", ["probability", "majority", "embedding"])
def test_only_scored_frames_vote_for_their_clip(vote: str) -> None:
    """By hand, in each draw; a clip of which no frame is scored is not scored either, and a
    classifier that needs no support is scored as the method beside it is."""
    table = face_table({"a": 6, "b": 3}).assign(clip=list("xxxyyyzzz"))
    scored = np.array([[1, 0, 1, 0, 0, 0, 1, 1, 1], [1] * 9], dtype=bool)
    support = FixedSupport(("a", "b"), np.zeros((2, 2, 1), dtype=np.int64))
    made = FixedProtocol("test", "made", "made", table, table, support, vote, scored, "group")
    queries = torch.from_numpy(np.random.default_rng(3).random((9, 1)))

    def classify(embeddings: torch.Tensor) -> NDArray[np.float64]:
        share = embeddings.numpy()[:, 0] ** 2
        return np.stack([share, 1 - share], axis=1)

    frames, clips, _ = predictions_by_level(made, "some", [classify] * 2, queries)
    assert clips.scored.tolist() == [[True, False, True], [True] * 3]
    assert clips.asked.tolist() == [1.0, 0.5, 1.0]
    assert np.array_equal(frames.scored, scored)
    places = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    for draw, clip in np.argwhere(clips.scored):
        own = queries.numpy()[(places == clip) & scored[draw], 0]
        votes = (own**2 > 0.5).mean() + (own**2).mean() / (4 * len(own))  # ties by probability
        shares = {"probability": (own**2).mean(), "embedding": own.mean() ** 2, "majority": votes}
        assert clips.probabilities[draw, clip, 0] == pytest.approx(shares[vote])
