"""The sampler: what every accuracy rests on."""

import numpy as np
import pandas as pd
import pytest
from conftest import face_table
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.episodes.pool import Shape, build_pool, can_split
from fewshot_fer.episodes.sampler import Episodes, draw_distinct, draw_episodes
from fewshot_fer.system.errors import EpisodeError

shapes = st.builds(
    Shape, n_way=st.integers(2, 4), k_shot=st.integers(1, 4), n_query=st.integers(1, 4)
)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def tables(draw: st.DrawFn, shape: Shape, shared_groups: bool) -> pd.DataFrame:
    """Tables that can give episodes of `shape`: groups of 1..4 images, more than enough of them."""
    sizes, groups = {}, {}
    for number in range(draw(st.integers(shape.n_way, 6))):
        per_class = []
        enough = 2 * (shape.k_shot + shape.n_query) + 4
        while len(per_class) < enough:
            name = f"g{len(per_class)}" if shared_groups else f"{number}/g{len(per_class)}"
            per_class += [name] * draw(st.integers(1, 4))
        sizes[f"class {number}"] = len(per_class)
        groups[f"class {number}"] = per_class
    return face_table(sizes, groups)


def assert_sound(episodes: Episodes, table: pd.DataFrame, shape: Shape, count: int) -> None:
    assert episodes.support.shape == (count, shape.n_way, shape.k_shot)
    assert episodes.query.shape == (count, shape.n_way, shape.n_query)
    label = table["label"].to_numpy()
    names = np.array(episodes.class_names)[episodes.classes]
    assert (label[episodes.support] == names[..., None]).all()
    assert (label[episodes.query] == names[..., None]).all()
    for episode in range(count):
        assert len(set(episodes.classes[episode])) == shape.n_way
        drawn = [*episodes.support[episode].ravel(), *episodes.query[episode].ravel()]
        assert len(set(drawn)) == len(drawn)


def assert_no_shared_group(episodes: Episodes, table: pd.DataFrame) -> None:
    group = table["group"].to_numpy()
    for support, query in zip(group[episodes.support], group[episodes.query], strict=True):
        assert not set(support.ravel()) & set(query.ravel())


@given(st.data(), shapes, seeds, st.booleans())
@settings(max_examples=60, deadline=None)
def test_support_and_query_never_share_an_image_or_group(
    data: st.DataObject, shape: Shape, seed: int, shared_groups: bool
) -> None:
    """Exact counts, right labels, no image twice, no group on both sides, whatever the table."""
    table = data.draw(tables(shape, shared_groups))
    episodes = draw_episodes(build_pool(table, shape), 20, seed)
    assert_sound(episodes, table, shape, 20)
    assert_no_shared_group(episodes, table)


@given(st.data(), shapes, seeds)
@settings(max_examples=20, deadline=None)
def test_image_disjoint_episodes_are_sound_too(
    data: st.DataObject, shape: Shape, seed: int
) -> None:
    """episodes.disjoint=image lets clips stand on both sides, but never an image."""
    table = data.draw(tables(shape, shared_groups=False))
    pool = build_pool(table, shape, EpisodesConfig("image"))
    assert pool.disjoint == "image"
    assert_sound(draw_episodes(pool, 20, seed), table, shape, 20)


@given(shapes, seeds, st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_same_seed_same_episodes_and_another_epoch_others(
    shape: Shape, seed: int, epoch: int
) -> None:
    """Episodes are a function of table, shape, seed, role and epoch, and of each of them."""
    table = face_table({f"c{number}": 40 for number in range(6)})
    pool = build_pool(table, shape)
    first = draw_episodes(pool, 30, seed, "test", epoch)
    again = draw_episodes(build_pool(table, shape), 30, seed, "test", epoch)
    assert np.array_equal(first.support, again.support)
    assert np.array_equal(first.query, again.query)
    for seed_, role, epoch_ in (
        (seed, "test", epoch + 1),
        (seed + 1, "test", epoch),
        (seed, "train", epoch),
    ):
        other = draw_episodes(pool, 30, seed_, role, epoch_)
        assert not np.array_equal(first.support, other.support)


def test_every_image_is_reached_on_both_sides() -> None:
    """No class, group or image is left out by the way of drawing, and none is favoured."""
    groups = {"a": ["1", "1", "1", "2", "3"], "b": ["4"] * 8 + ["5"], "c": ["6", "6", "7", "7"]}
    table = face_table({"a": 5, "b": 9, "c": 4}, groups)
    shape = Shape(n_way=2, k_shot=1, n_query=1)
    episodes = draw_episodes(build_pool(table, shape), 20_000, seed=0)
    assert set(episodes.support.ravel()) == set(range(len(table)))
    assert set(episodes.query.ravel()) == set(range(len(table)))
    shares = np.bincount(episodes.classes.ravel()) / episodes.classes.size
    assert np.allclose(shares, 1 / 3, atol=0.01)
    # Allowed (support, query) pairs of class a: 7 of 10 unordered; image 3 is in 4 of them.
    of_a = episodes.support[episodes.classes == 0].ravel()
    assert np.allclose(
        np.bincount(of_a, minlength=5) / len(of_a), [1 / 7] * 3 + [2 / 7] * 2, atol=0.02
    )


def test_two_clips_a_class_are_enough() -> None:
    """Where only whole clips can be dealt to a side, episodes still come, and both ways round."""
    groups = {name: [f"{name}1"] * 30 + [f"{name}2"] * 30 for name in "abc"}
    table = face_table(dict.fromkeys("abc", 60), groups)
    shape = Shape(n_way=3, k_shot=5, n_query=5)
    episodes = draw_episodes(build_pool(table, shape), 200, seed=1)
    group = table["group"].to_numpy()
    assert_no_shared_group(episodes, table)
    assert set(group[episodes.query].ravel()) == {
        f"{name}{clip}" for name in "abc" for clip in "12"
    }


def test_subjects_in_every_class_are_kept_apart() -> None:
    """JAFFE's case: ten people show every expression, and may stand on one side only."""
    people = [f"person {number}" for number in range(10) for _ in range(3)]
    table = face_table(dict.fromkeys("abcdefg", 30), dict.fromkeys("abcdefg", people))
    shape = Shape(n_way=5, k_shot=5, n_query=2)
    episodes = draw_episodes(build_pool(table, shape), 300, seed=2)
    group = table["group"].to_numpy()
    assert_no_shared_group(episodes, table)
    assert set(group[episodes.query].ravel()) == set(people)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_can_split_equals_trying_every_way(sizes: list[int], k_shot: int, n_query: int) -> None:
    """The subset-sum shortcut says what brute force says."""
    total = sum(sizes)
    sums = {0}
    for size in sizes:
        sums |= {size + other for other in sums}
    brute = any(part >= n_query and total - part >= k_shot for part in sums)
    assert can_split(sizes, k_shot, n_query) == brute


def test_draw_distinct_is_uniform_over_ordered_draws() -> None:
    """Every ordered pair of different numbers is equally likely, at the smallest size too."""
    drawn = draw_distinct(np.random.default_rng(0), np.full(60_000, 4), 2)
    counts = np.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16).reshape(4, 4)
    assert (np.diag(counts) == 0).all()
    assert np.allclose(counts[~np.eye(4, dtype=bool)] / 60_000, 1 / 12, atol=0.005)
    assert (np.sort(draw_distinct(np.random.default_rng(0), np.full(50, 3), 3)) == [0, 1, 2]).all()


def test_small_classes_are_named_or_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Classes of two and of seven images, as real data have: an error that says all, or a skip."""
    table = face_table({"fear": 2, "joy": 7, "anger": 20, "sad": 20})
    shape = Shape(n_way=3, k_shot=5, n_query=1)
    with pytest.raises(EpisodeError) as error:
        build_pool(table, shape, what="test on my faces")
    assert "test on my faces" in str(error.value)
    assert "'fear' has 2 images" in str(error.value)
    assert "5 support + 1 query" in str(error.value)
    assert "episodes.skip_small_classes=true" in str(error.value)
    assert "joy" not in str(error.value)
    pool = build_pool(table, shape, EpisodesConfig(skip_small_classes=True))
    assert pool.class_names == ("anger", "joy", "sad")
    assert "'fear' has 2 images" in caplog.text
    drawn = draw_episodes(pool, 50, 0).images()
    assert "fear" not in set(table["label"].to_numpy()[drawn])


def test_a_class_of_one_clip_is_named() -> None:
    """Many images of one clip are not enough where support and query must not share a clip."""
    groups = {"a": ["x"] * 30, "b": [f"b{number}" for number in range(30)]}
    table = face_table({"a": 30, "b": 30}, groups)
    with pytest.raises(EpisodeError, match=r"'a' has 30 images in 1 group .*disjoint=image"):
        build_pool(table, Shape(2, 5, 5))


def test_more_ways_than_classes_is_an_error_with_the_classes() -> None:
    """n_way=12 on a data set of fewer classes says how many there are, and which."""
    with pytest.raises(
        EpisodeError, match="n_way=12 asks for more classes than the 2 there are: a, b"
    ):
        build_pool(face_table({"a": 20, "b": 20}), Shape(12, 5, 1))


def test_subjects_that_cannot_be_kept_apart_are_an_error() -> None:
    """Each class alone could be split, both together not: the error names them."""
    groups = {"a": ["p"] * 5 + ["q"], "b": ["p"] + ["q"] * 5}
    table = face_table({"a": 6, "b": 6}, groups)
    shape = Shape(n_way=2, k_shot=5, n_query=1)
    with pytest.raises(EpisodeError, match=r"classes .*a.*disjoint=image"):
        draw_episodes(build_pool(table, shape), 2, seed=0)


def test_fewer_shots_of_the_same_episodes() -> None:
    """Protects comparisons by shots: the same queries, and supports within one another."""
    table = face_table(dict.fromkeys("abc", 20))
    many = draw_episodes(build_pool(table, Shape(2, 6, 3)), 40, seed=1)
    few, none = many.with_shots(2), many.with_shots(0)
    assert few.support.shape == (40, 2, 2)
    assert none.support.shape == (40, 2, 0)
    np.testing.assert_array_equal(few.query, many.query)
    np.testing.assert_array_equal(few.support, many.support[:, :, :2])
    assert_sound(few, table, Shape(2, 2, 3), 40)
