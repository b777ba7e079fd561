"""Which frames of a posed sequence count: held against a plain reading of the rule."""

from hypothesis import given
from hypothesis import strategies as st

from fewshot_fer.data.adapters.posed_sequence import frame_number, posed_frames

numbers = st.sets(st.integers(0, 30), max_size=12)


@given(numbers, st.randoms())
def test_first_is_neutral_and_last_three_are_apex(present: set[int], random: object) -> None:
    """Whatever the order of the names; a frame is never both."""
    names = [f"{number:03}.jpeg" for number in present]
    random.shuffle(names)  # type: ignore[attr-defined]
    frames = posed_frames(names)
    time = sorted(present)
    neutral = time[:1] if time[:1] in ([0], [1]) else []
    assert [frame_number(f.name) for f in frames if not f.apex] == neutral
    assert [frame_number(f.name) for f in frames if f.apex] == time[len(neutral) :][-3:]
    assert [time[frame.place] for frame in frames] == [frame_number(f.name) for f in frames]


@given(numbers, st.integers(0, 30))
def test_frames_far_from_the_labelled_one_are_no_apex(present: set[int], last: int) -> None:
    """Where the labelled frame is missing, those within three of it are what is left."""
    frames = posed_frames([f"S005_001_{number:08}.png" for number in present], last)
    apex = [frame_number(frame.name) for frame in frames if frame.apex]
    if present and max(present) == last:
        assert apex == [n for n in sorted(present)[-3:] if n > 1 or n != min(present)]
    else:
        assert set(apex) <= {last - 2, last - 1, last} & present


def test_a_frame_in_two_formats_is_one() -> None:
    """Else the last three frames would be two, one of them twice."""
    names = [f"{number:03}.{ending}" for number in range(9) for ending in ("jpeg", "png")]
    assert [frame.place for frame in posed_frames(names)] == [0, 6, 7, 8]
