"""Clips of a table of frames: which frames they have, which are taken, and what is kept apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.data.table import group_keys, make_table
from fewshot_fer.episodes.clips import clips_of
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.system.errors import EpisodeError, SmallClassError


def clip_table(clips: list[tuple[str, str | None, int]], numbered: bool = True) -> pd.DataFrame:
    """Return a FaceTable of clips: the label, subject and number of frames of each."""
    rows: list[dict[str, object]] = []
    for number, (label, subject, frames) in enumerate(clips):
        for frame in range(frames):
            row: dict[str, object] = {"path": f"/x/{number:03}/f{frame}.jpg", "label": label}
            row |= {"clip": f"clip {number}", "split": "all", "dataset": "made", "group": subject}
            rows.append(row | ({"frame": frame} if numbered else {}))
    return make_table(rows[::-1])


def taken(table: pd.DataFrame, count: int | None) -> list[list[str]]:
    """Return the names of the frames that are taken of each clip."""
    clips = clips_of(table, np.arange(len(table)), "here").sampled(count)
    names = table["path"].str.rsplit("/", n=1).str[1]
    return [
        names.iloc[clips.frames_of(np.array([clip]))].tolist() for clip in range(len(clips.sizes))
    ]


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5), count=st.integers(1, 40))
def test_frames_are_evenly_spaced(sizes: list[int], count: int) -> None:
    """As many as are wanted, or all; gaps differ by one frame at most, and so do both ends."""
    table = clip_table([("a", None, size) for size in sizes])
    for size, names in zip(sizes, taken(table, count), strict=True):
        places = np.array([int(name[1:-4]) for name in names])
        assert len(places) == min(size, count)
        gaps = np.diff(places)
        assert (gaps > 0).all()
        assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
        assert 0 <= (size - 1 - places[-1]) - places[0] + 1 <= 2
        if size <= count:
            assert places.tolist() == list(range(size))


def test_frames_without_numbers_come_in_natural_order() -> None:
    """f10 after f9: sorted as text it would come second."""
    table = clip_table([("a", None, 12), ("b", None, 3)], numbered=False)
    expected = [[f"f{frame}.jpg" for frame in range(size)] for size in (12, 3)]
    assert taken(table, None) == expected


@settings(deadline=None, max_examples=25)
@given(
    clips=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["s1", "s2", "s3", "s4", None]),
                  st.integers(1, 5)),
        min_size=8, max_size=24,
    ),
    shape=st.tuples(st.just(2), st.integers(1, 3), st.integers(1, 2)),
    count=st.sampled_from([None, 1, 3]),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_no_clip_and_no_group_on_both_sides(
    clips: list[tuple[str, str | None, int]], shape: tuple[int, int, int], count: int | None,
    seed: int,
) -> None:  # fmt: skip
    """Whatever the clips, subjects and shape: by the frames that would be embedded."""
    table = clip_table(clips)
    found = clips_of(table, np.arange(len(table)), "here").sampled(count)
    assert len(found.table) == len(clips)
    try:
        pool = build_pool(
            found.table, Shape(*shape, "clip"), EpisodesConfig(skip_small_classes=True)
        )
        episodes = draw_episodes(pool, 20, seed)
    except EpisodeError:
        return
    groups, labels = group_keys(table).to_numpy(), table["label"].to_numpy()
    names = table["clip"].to_numpy()
    for classes, support, query in zip(
        episodes.classes, episodes.support, episodes.query, strict=True
    ):
        sides = [found.frames_of(side.ravel()) for side in (support, query)]
        assert not set(groups[sides[0]]) & set(groups[sides[1]])
        assert not set(names[sides[0]]) & set(names[sides[1]])
        for wanted, own in zip(classes, np.concatenate([support, query], axis=1), strict=True):
            assert len(set(own)) == shape[1] + shape[2]
            assert set(labels[found.frames_of(own)]) == {episodes.class_names[wanted]}


def test_training_takes_a_frame_of_each_part() -> None:
    """By hand: of 10 frames, 4 drawn lie in quarters; of 2, all four draws are of these two."""
    table = clip_table([("a", None, 10), ("b", None, 2)])
    clips = clips_of(table, np.arange(len(table)), "here")
    random = np.random.default_rng(0)
    drawn = np.stack([clips.draw_frames(np.array([[0, 1]]), 4, random)[0] for _ in range(300)])
    frame, names = table["frame"].to_numpy()[drawn], table["clip"].to_numpy()[drawn]
    assert (names[:, 0] == "clip 0").all()
    assert (names[:, 1] == "clip 1").all()
    parts = [{0, 1, 2}, {2, 3, 4}, {5, 6, 7}, {7, 8, 9}]
    assert [set(column) for column in frame[:, 0].T] == parts
    assert [set(column) for column in frame[:, 1].T] == [{0}, {0}, {1}, {1}]


def test_data_without_clips_are_refused_in_one_line() -> None:
    """What was found, and what to type; a photograph among clips is a clip of one frame."""
    rows: list[dict[str, object]] = [
        {"path": f"/x/{n}.jpg", "label": "a", "split": "all", "dataset": "made"} for n in range(4)
    ]
    table = make_table(rows)
    with pytest.raises(
        EpisodeError, match=r"test on x: no clips.*none of its 4 images.*eval.unit=image"
    ):
        clips_of(table, np.arange(4), "test on x")
    mixed = make_table([*rows, {**rows[0], "path": "/x/c/1.jpg", "clip": "c"}])
    assert clips_of(mixed, np.arange(5), "test on x").sizes.tolist() == [1] * 5


def test_small_classes_are_counted_in_clips() -> None:
    """A class of many frames and few clips is too small, and the message says in what."""
    table = clip_table([("a", None, 30), ("a", None, 30), *[("b", None, 1)] * 9])
    found = clips_of(table, np.arange(len(table)), "here")
    with pytest.raises(
        SmallClassError, match="5 support \\+ 1 query clips a class: 'a' has 2 clips"
    ):
        build_pool(found.table, Shape(2, 5, 1, "clip"), what="here")
