"""episodes.within=set: every image of an episode is of one data set, drawn uniformly."""

import numpy as np
import pandas as pd
import pytest
from conftest import face_table
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.episodes.pool import EpisodePool, Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes, join_episodes
from fewshot_fer.episodes.saved import load_episodes, require_one_set, save_episodes
from fewshot_fer.evaluation.metrics import repeats_half
from fewshot_fer.system.errors import EpisodeError, RunError

WITHIN = EpisodesConfig(within="set")
SHAPE = Shape(2, 1, 2)


def sets_of(*sizes: dict[str, int], groups_of: int = 1) -> pd.DataFrame:
    """Return a table of sets a, b, ...: class -> images; groups of so many images in each class."""
    tables = []
    for name, own in zip("abcdef", sizes, strict=False):
        groups = {
            label: [f"{label}{n // groups_of}" for n in range(size)] for label, size in own.items()
        }
        table = face_table(own, groups)
        tables.append(
            table.assign(dataset=name, path=[f"/{name}/{path}" for path in table["path"]])
        )
    return pd.concat(tables, ignore_index=True)


def within(table: pd.DataFrame, shape: Shape = SHAPE, **more: object) -> EpisodePool:
    return build_pool(table, shape, WITHIN, **more)  # type: ignore[arg-type]


@given(
    st.lists(
        st.dictionaries(st.sampled_from("klmnop"), st.integers(1, 14), min_size=1),
        min_size=2,
        max_size=4,
    ),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_an_episode_is_of_one_set_that_can_give_it(
    sizes: list[dict[str, int]], groups_of: int, seed: int
) -> None:
    """Exact counts, right labels, one set, no group on both sides; or an error where none can."""
    table = sets_of(*sizes, groups_of=groups_of)
    rules = EpisodesConfig(within="set", skip_small_classes=True)
    usable = {
        name: {label for label, size in own.items() if _splits(size, groups_of)}
        for name, own in zip("abcd", sizes, strict=False)
    }
    usable = {name: labels for name, labels in usable.items() if len(labels) >= SHAPE.n_way}
    if not usable:
        with pytest.raises(EpisodeError):
            build_pool(table, SHAPE, rules)
        return
    episodes = draw_episodes(build_pool(table, SHAPE, rules), 25, seed)
    rows = np.concatenate([episodes.support, episodes.query], axis=2)
    names, labels = (table[column].to_numpy()[rows] for column in ("dataset", "label"))
    given_names = np.array(episodes.class_names)[episodes.classes]
    assert (labels == given_names[..., None]).all()
    groups = table["group"].to_numpy()
    for number in range(len(episodes)):
        (of_set,) = set(names[number].ravel())
        assert set(given_names[number]) <= usable[of_set]
        assert len(set(rows[number].ravel())) == rows[number].size
        support, query = (
            set(groups[each[number]].ravel()) for each in (episodes.support, episodes.query)
        )
        assert not support & query


def _splits(size: int, of: int) -> bool:
    """Return whether groups of `of` images, the last one smaller, fill sides of 1 and 2 images."""
    sizes = [of] * (size // of) + ([size % of] if size % of else [])
    sides = range(1, 2 ** len(sizes))
    totals = (sum(s for bit, s in enumerate(sizes) if mask >> bit & 1) for mask in sides)
    return any(total >= 1 and size - total >= 2 for total in totals)


def test_each_set_is_as_likely_whatever_its_size() -> None:
    """A set of 4,000 images and one of 60: half of the episodes each, as CDNet draws them."""
    table = sets_of(dict.fromkeys("klmn", 1000), dict.fromkeys("klm", 20))
    episodes = draw_episodes(within(table), 20_000, seed=3)
    sets = table["dataset"].to_numpy()[episodes.query[:, 0, 0]]
    assert abs((sets == "b").mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)
    names = np.array(episodes.class_names)
    for name, n_classes in (("a", 4), ("b", 3)):  # and within a set each class
        drawn = names[episodes.classes[sets == name]].ravel()
        shares = pd.Series(drawn).value_counts(normalize=True)
        assert len(shares) == n_classes
        assert (abs(shares - 1 / n_classes) < 0.02).all()


def test_a_set_alone_is_drawn_from_as_ever() -> None:
    """The key changes nothing for a table of one data set, so tests on one keep their episodes."""
    table = sets_of(dict.fromkeys("klmn", 9), groups_of=2)
    plain = draw_episodes(build_pool(table, SHAPE), 50, 7, "test/x", 2)
    same = draw_episodes(within(table), 50, 7, "test/x", 2)
    for name in ("classes", "support", "query"):
        assert (getattr(plain, name) == getattr(same, name)).all()


def test_sets_are_no_part_of_the_draw_where_any_may_meet() -> None:
    """within=any draws as before there were sets, to the digit."""
    table = sets_of(dict.fromkeys("klm", 9), dict.fromkeys("klm", 9))
    table["group"] = table["path"]
    mixed = draw_episodes(build_pool(table, SHAPE), 50, 7)
    alone = draw_episodes(build_pool(table.assign(dataset="a"), SHAPE), 50, 7)
    assert (mixed.query == alone.query).all()
    sets = table["dataset"].to_numpy()[mixed.query].reshape(50, -1)
    assert any(len(set(own)) == 2 for own in sets)


def test_no_set_with_enough_classes_is_an_error_that_says_what_each_has() -> None:
    table = sets_of({"k": 9, "l": 2}, {"m": 9, "n": 2})
    with pytest.raises(EpisodeError, match=r"no data set has n_way=2 .*all of a, with 1 class "):
        build_pool(table, SHAPE, EpisodesConfig(within="set", skip_small_classes=True))


def test_what_is_too_small_in_its_set_is_left_out_with_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`k` of b has an image too few, and c a class too few; `k` of a is drawn all the same."""
    table = sets_of({"k": 9, "l": 9}, {"k": 2, "l": 9, "m": 9}, {"n": 9})
    pool = within(table)
    assert pool.class_names == ("k", "l", "m")
    assert [own.class_names for own in pool.sets] == [("k", "l"), ("l", "m")]
    assert "k of b: 2 images" in caplog.text
    assert "all of c, with 1 class large enough" in caplog.text
    assert len(pool.rows) == 36  # what the passes of supervised epochs go through


def test_saved_episodes_must_be_of_one_set() -> None:
    """A file drawn with any is refused where one set is wanted."""
    table = sets_of(dict.fromkeys("klm", 9), dict.fromkeys("klm", 9))
    with pytest.raises(RunError, match=r"of the 50 episodes of x have images of several"):
        require_one_set(draw_episodes(build_pool(table, SHAPE), 50, 7), table["dataset"], "x")
    require_one_set(draw_episodes(within(table), 50, 7), table["dataset"], "x")


def test_repeats_are_streams_one_after_another(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first is the test without repeats, and all of them survive a file of episodes."""
    table = sets_of(dict.fromkeys("klm", 9))
    pool = build_pool(table, SHAPE)
    streams = [draw_episodes(pool, 10, 0, name) for name in ("test/x", "test/x/2")]
    joined = join_episodes(streams)
    assert (joined.query[:10] == streams[0].query).all()
    assert (joined.query[10:] == streams[1].query).all()
    assert (streams[0].query != streams[1].query).any()
    file = tmp_path_factory.mktemp("saved") / "episodes.npz"
    save_episodes(file, {"test/x": (table, joined)})
    assert (load_episodes(file, "test/x", table, SHAPE).query == joined.query).all()


def test_the_interval_over_repeats_is_that_of_their_means() -> None:
    """Means 0.2, 0.4 and 0.6: s = 0.2, half of the interval 1.96 * 0.2 / sqrt(3)."""
    values = np.array([0.1, 0.3, 0.4, 0.4, 0.5, 0.7])
    assert repeats_half(values, 3) == pytest.approx(1.959964 * 0.2 / np.sqrt(3), rel=1e-6)
    assert repeats_half(values, 1) == 0
