"""Episodes of clips against plain loops over episodes, clips and frames."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import face_table
from numpy.typing import NDArray
from small_networks import random_images, small_encoder

from fewshot_fer.data.table import group_keys
from fewshot_fer.episodes.clips import ClipEpisodes, Clips, clips_of
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.sampler import Episodes, draw_episodes
from fewshot_fer.evaluation import episode_votes, scoring
from fewshot_fer.evaluation.clip_embeddings import EmbeddedClips
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.episode_votes import vote_in_episodes
from fewshot_fer.evaluation.metrics import EpisodeScores, resample_groups
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.models.methods.method import PROTOTYPES, Method, untrained_method

Floats = NDArray[np.float64]
SHAPE = Shape(3, 2, 2, "clip")
SIZES = (1, 4, 2, 6, 3, 5, 2)  # frames of the clips of each class


def clips_in(sizes: tuple[int, ...] = SIZES) -> tuple[pd.DataFrame, Clips]:
    """Return a table of four classes whose clips have so many frames, and its clips."""
    table = face_table(dict.fromkeys("abcd", sum(sizes)))
    own = np.repeat(np.arange(len(sizes)), sizes)
    table["clip"] = table["label"] + [str(number) for number in np.tile(own, 4)]
    table["group"] = table["clip"]
    return table, clips_of(table, np.arange(len(table)), "here")


def drawn(clips: Clips, count: int = 40, shape: Shape = SHAPE) -> Episodes:
    return draw_episodes(build_pool(clips.table, shape), count, seed=0)


def embedded(clips: Clips, frames: Floats, rows: NDArray[np.int64]) -> EmbeddedClips:
    own = torch.from_numpy(frames[clips.frames_of(rows)]).float()
    return EmbeddedClips(own, torch.from_numpy(clips.sizes[rows]))


def random_frames(count: int, features: int = 12) -> Floats:
    return np.random.default_rng(5).normal(0.3, 1, (count, features))


def softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


def mean_of(frames: Floats) -> Floats:
    return np.asarray(sum(frames) / len(frames))


def attended(frames: Floats) -> Floats:
    """Return the frames of a clip made one, weighed by ten times their cosine to their mean."""
    mean = mean_of(frames)
    alike = [frame @ mean / np.linalg.norm(frame) / np.linalg.norm(mean) for frame in frames]
    return np.asarray(softmax(10 * np.array(alike)) @ frames)


def require_scores(
    scores: EpisodeScores, episodes: Episodes, shares_of: Callable[..., Floats]
) -> None:
    """Require the figures that plain loops find.

    shares_of: from the clips of an episode's classes [way, shot] and a query clip to the share of
    each class [way].
    """
    count = 1 + max(episodes.query.max(), 0)
    right, asked = np.zeros(count), np.zeros(count)
    confusion = np.zeros((len(episodes.class_names),) * 2, dtype=int)
    for number in range(len(episodes)):
        classes, losses, correct = episodes.classes[number], [], []
        for true, queries in enumerate(episodes.query[number]):
            for query in queries:
                shares = shares_of(episodes.support[number], query)
                given = int(shares.argmax())
                losses.append(-np.log(shares[true]))
                correct.append(given == true)
                asked[query] += 1
                right[query] += given == true
                confusion[classes[true], classes[given]] += 1
        assert scores.accuracy[number] == pytest.approx(np.mean(correct))
        assert scores.loss[number] == pytest.approx(np.mean(losses), rel=1e-4)
    assert np.array_equal(scores.confusion, confusion)
    assert np.array_equal(scores.row_correct, right)
    assert np.array_equal(scores.row_asked, asked)


@pytest.mark.parametrize(("pooling", "pool"), [("mean", mean_of), ("attention", attended)])
def test_clips_equal_a_brute_force(pooling: str, pool: Callable[[Floats], Floats]) -> None:
    """The nearest prototype of whole clips, whose frames are made one, clips of any length."""
    table, clips = clips_in()
    frames, episodes = random_frames(len(table)), drawn(clips)
    whole = {
        clip: pool(frames[clips.frames_of(np.array([clip]))]) for clip in range(len(clips.sizes))
    }

    def shares_of(support: NDArray[np.int64], query: int) -> Floats:
        prototypes = [mean_of(np.array([whole[clip] for clip in own])) for own in support]
        return softmax(-np.array([((whole[query] - one) ** 2).sum() for one in prototypes]))

    rows = episodes.images()
    vectors = embedded(clips, frames, rows).pooled(pooling)
    require_scores(score_episodes(PROTOTYPES, vectors, rows, episodes), episodes, shares_of)


def frames_by(method: Method, clips: Clips, frames: Floats, vote: str) -> Callable[..., Floats]:
    """Return how the frames of a query clip decide, by a call of the method for each episode.

    To a method that is not of means each clip gives as many frames as the longest has.
    """
    longest = clips.sizes.max()

    def of(clip: int) -> Floats:
        own = frames[clips.frames_of(np.array([clip]))]
        if method.is_of_means:
            return own
        return own[[place * len(own) // longest for place in range(longest)]]

    def shares_of(support: NDArray[np.int64], query: int) -> Floats:
        sides = [
            np.concatenate([of(clip) for clip in clips_of_class]) for clips_of_class in support
        ]
        if method.is_of_means:
            sides = [mean_of(side)[None] for side in sides]
        own = (
            of(query)
            if vote != "embedding"
            else mean_of(frames[clips.frames_of(np.array([query]))])[None]
        )
        logits = method.logits(torch.from_numpy(np.stack(sides))[None], torch.from_numpy(own)[None])
        each = np.array([softmax(row) for row in logits[0].numpy()])
        if vote != "majority":
            return each.mean(axis=0)
        given = np.eye(len(support))[each.argmax(axis=1)]
        return given.mean(axis=0) + each.mean(axis=0) / (4 * len(each))

    return shares_of


@pytest.mark.parametrize("vote", ["probability", "majority", "embedding"])
@pytest.mark.parametrize("name", ["protonet", "simpleshot", "matching"])
@pytest.mark.parametrize("sizes", [SIZES, (3,) * 7])
def test_votes_equal_a_brute_force(name: str, vote: str, sizes: tuple[int, ...]) -> None:
    """Frames of support clips are support, each frame of a query clip is classified, all vote."""
    table, clips = clips_in(sizes)
    frames, episodes = random_frames(len(table)), drawn(clips, 15)
    method, rows = untrained_method(name), episodes.images()
    scores = vote_in_episodes(method, embedded(clips, frames, rows), rows, episodes, vote)
    assert clips.sizes[rows].max() == clips.sizes.max()  # which shorter clips are repeated to
    require_scores(scores, episodes, frames_by(method, clips, frames, vote))


def test_inner_products_give_the_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far from the origin too; and chunks of episodes change nothing."""
    table, clips = clips_in()
    frames, episodes = random_frames(len(table)) + 30, drawn(clips, 50)
    rows = episodes.images()
    own = embedded(clips, frames, rows)
    shares = []
    for cut_over in (0, 10**9):
        monkeypatch.setattr(episode_votes, "CUT_OVER", cut_over)
        for memory in (1, 10**9):
            monkeypatch.setitem(episode_votes.VOTE_BYTES, "cpu", memory)
            found = episode_votes.shares_in_chunks(PROTOTYPES, own, rows, episodes, "probability")
            shares.append(torch.cat(list(found)))
    for other in shares[1:]:
        torch.testing.assert_close(other, shares[0], rtol=1e-3, atol=1e-4)


def test_a_few_clips_are_pooled_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    table, clips = clips_in()
    own = embedded(clips, random_frames(len(table)), np.arange(len(clips.sizes)))
    whole = own.pooled("attention")
    monkeypatch.setattr("fewshot_fer.evaluation.clip_embeddings.POOL_BYTES", 1)
    torch.testing.assert_close(own.pooled("attention"), whole)


def task_of_clips(pooling: str = "mean", vote: str = "probability") -> EpisodicTask:
    table, clips = clips_in()
    table["group"] = [f"subject {number % 9}" for number in pd.factorize(table["clip"])[0]]
    clips = clips_of(table, np.arange(len(table)), "here")
    pool = build_pool(clips.table, SHAPE)
    of_clips = ClipEpisodes(clips, pool, table, pooling, vote)
    frames = build_pool(table, Shape(3, 2, 2))
    protocol = EpisodicProtocol("test", "made", "made", table, 30, frames, of_clips=of_clips)
    return EpisodicTask(protocol, random_images(len(table)))


def test_a_result_holds_both_ways_and_their_paired_difference() -> None:
    """Two rows on the same episodes; the gain and its interval are those of the answers."""
    task, model = task_of_clips(), FewShotModel(Embedder(small_encoder()), PROTOTYPES, 3)
    result = task.evaluate(model, seed=0)
    clip, vote = result.rows
    assert (clip["level"], vote["level"]) == ("clip", "clip_vote")
    assert (clip["unit"], vote["unit"], clip["protocol"]) == ("clip", "clip", "made_clips_3w2s")
    assert clip["episodes_id"] == vote["episodes_id"]
    assert (clip["pooling"], vote["pooling"]) == ("mean", "probability")
    own, other = (result.answers[result.answers["level"] == row["level"]] for row in result.rows)
    assert own["path"].tolist() == other["path"].tolist()
    assert set(own["path"]) <= set(task.protocol.table["clip"])
    difference = (other["correct"] - own["correct"]).to_numpy()
    assert vote["gain"] == pytest.approx(difference.sum() / own["asked"].sum())
    assert vote["gain"] == pytest.approx(vote["accuracy"] - clip["accuracy"])
    numbers = pd.factorize(own["group"])[0].astype(np.int64)  # a subject has clips of all classes
    drawn = resample_groups(difference, own["asked"].to_numpy(), numbers, None, 0)
    assert drawn is not None
    expected = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose([vote["gain_low"], vote["gain_high"]], expected)
    assert vote["verdict"]
    assert len(task.evaluate(model, seed=0, votes=False).rows) == 1
    assert len(task_of_clips(vote="none").evaluate(model, seed=0).rows) == 1


def test_many_episodes_are_scored_by_inner_products_of_clips() -> None:
    """The bulk path serves clips as it serves images: the same scores either way."""
    task = task_of_clips()
    embedder = Embedder(small_encoder())
    episodes = draw_episodes(task.protocol.drawn_from, 3000, seed=1)
    rows = episodes.images()
    vectors = task.embed(embedder, rows)
    assert vectors.shape == (len(rows), 8 * 2 * 2)
    assert scoring.gram_pays(len(rows), episodes, vectors)
    fast = score_episodes(PROTOTYPES, vectors, rows, episodes)
    few = score_episodes(PROTOTYPES, vectors, rows, episodes.first(100))
    np.testing.assert_allclose(fast.loss[:100], few.loss, rtol=1e-4)


def test_groups_of_clips_decide_the_interval() -> None:
    """n_groups counts subjects, which are what support and query never share."""
    task, model = task_of_clips(), FewShotModel(Embedder(small_encoder()), PROTOTYPES, 0)
    row = task.evaluate(model, seed=0, votes=False).rows[0]
    assert row["n_groups"] == group_keys(task.protocol.table).nunique() == 9
    assert row["n_images"] == len(task.protocol.table)
    assert row["disjoint"] == "group"
