"""Near-identical pictures: every copy is found, nothing else is, and speed misses no pair."""

import itertools
from pathlib import Path

import numpy as np
from conftest import saved_anew
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.reports.audit.images import look_at_all, thumbnails_of
from fewshot_fer.reports.audit.twins import (
    FEWEST,
    LEAST_CENTRED,
    LEAST_CORRELATION,
    MOST_BITS,
    find_twins,
)

Pictures = NDArray[np.uint8]
Values = NDArray[np.float64]
ROUNDING = 1e-5  # of a correlation in float32


def test_no_false_twins_and_every_copy_found(demo: Path, tmp_path: Path) -> None:
    """Drawn faces are alike in pose and light: none is a twin, and each copy of one is."""
    parts = [
        sorted(map(str, (demo / place).rglob("*.jpg")))
        for place in ("RAF-DB/basic", "RAF-DB/compound", "AFEW/Train_AFEW", "AFEW/Val_AFEW")
    ]
    seen = look_at_all(list(itertools.chain(*parts)))
    thumbnails = [thumbnails_of(seen[path] for path in paths) for paths in parts]
    for left, right in itertools.combinations(thumbnails, 2):
        assert find_twins(left, right) == []
    originals = parts[0][::4]
    copies = [str(tmp_path / f"{number:03}.jpg") for number in range(len(originals))]
    for number, (original, copy) in enumerate(zip(originals, copies, strict=True)):
        side, quality = (64, 90, 100, 150, 200)[number % 5], (60, 75, 95)[number % 3]
        saved_anew(Path(original), Path(copy), side, quality)
    looks = look_at_all(copies)
    made = thumbnails_of(looks[copy] for copy in copies)
    wanted = [(place * 4, place) for place in range(len(originals))]
    assert find_twins(thumbnails[0], made) == wanted


def test_masked_faces_are_no_twins(demo: Path) -> None:
    """Face crops are often black around the face; that they share, and it is not what tells."""
    paths = sorted(map(str, (demo / "RAF-DB").rglob("*.jpg")))
    looks = look_at_all(paths)
    places = (np.arange(32) - 15.5) ** 2
    face = places[:, None] / 14**2 + places / 11**2 <= 1
    masked = thumbnails_of(looks[path] for path in paths) * face
    assert find_twins(masked[::2], masked[1::2]) == []
    assert len(find_twins(masked, masked)) == len(masked)


def test_flat_pictures_are_no_twins() -> None:
    """Pictures that show nothing have nothing to compare: black frames are not called copies."""
    flat = np.stack([np.full((32, 32), level, dtype=np.uint8) for level in (0, 0, 200)])
    assert find_twins(flat, flat) == []
    assert find_twins(flat[:0], flat) == []


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    n_scenes=st.integers(1, 150),
    noise=st.sampled_from([0, 3, 12, 30]),
    shared=st.sampled_from([0, 150]),
    pairs=st.sampled_from([1, 500, 2**20]),
)
def test_search_equals_every_pair_compared(
    seed: int, sizes: tuple[int, int], n_scenes: int, noise: int, shared: int, pairs: int
) -> None:
    """What the search leaves out could not have been found: few scenes or many, alike or not."""
    random = np.random.default_rng(seed)
    scenes = scenes_of(n_scenes, random) / (1 + shared / 20) + shared * random.random((1, 32, 32))
    left, right = (frames_of(scenes, size, noise, random) for size in sizes)
    assert_likest(find_twins(left, right, pairs), left, right)


def test_planted_pairs_among_thousands() -> None:
    """In sets that are cut many times each planted copy is found, and nothing else."""
    random = np.random.default_rng(0)
    left, right = (scenes_of(size, random).astype(np.uint8) for size in (6000, 3000))
    planted = [(place, place // 2) for place in range(0, 6000, 50)]
    for one, other in planted:
        right[other] = left[one].astype(int).clip(2, 253) + random.integers(-2, 3, (32, 32))
    assert find_twins(left, right) == planted


def test_frames_of_clips_give_one_twin_each() -> None:
    """Neighbouring frames are near-identical, by the hundred: each is given with its likest one."""
    random = np.random.default_rng(0)
    steps = random.normal(0, 0.4, (8, 120, 12, 12)).cumsum(axis=1)
    clips = (scenes_of(8, random, small=True)[:, None] + steps).reshape(-1, 12, 12)
    frames = enlarged(clips).clip(0, 255).astype(np.uint8)
    found = find_twins(frames[::2], frames[1::2])
    assert [place for _, place in found] == list(range(480))
    assert all(abs(left - right) < 60 for left, right in found)
    assert_likest(found, frames[::2], frames[1::2])


def scenes_of(count: int, random: np.random.Generator, small: bool = False) -> Values:
    """Return pictures [count, 32, 32] of smooth patterns, 0..255."""
    patterns = random.integers(0, 256, (count, 12, 12)).astype(np.float64)
    return patterns if small else enlarged(patterns)


def enlarged(patterns: Values) -> Values:
    """Return [N, 32, 32] of [N, 12, 12]."""
    return np.kron(patterns, np.ones((1, 3, 3)))[:, 2:34, 2:34]


def frames_of(scenes: Values, count: int, noise: int, random: np.random.Generator) -> Pictures:
    """Return frames of any of the scenes, noisy, darker or lighter; some of them black."""
    frames = scenes[random.integers(0, len(scenes), count)]
    frames = frames * random.uniform(0.5, 1, (count, 1, 1))
    frames += random.normal(0, 1, frames.shape) * random.integers(0, noise + 1, (count, 1, 1))
    frames[random.random(count) < 0.05] = 0
    return frames.clip(0, 255).astype(np.uint8)


def assert_likest(found: list[tuple[int, int]], left: Pictures, right: Pictures) -> None:
    """Each of `right` that has a twin, by all pairs in float64, is there with the likest of them.

    What lies on a threshold but for rounding may be there or not.
    """
    plain = correlations(left, right, 0.0)
    few = len(left) + len(right) < FEWEST
    mean = np.concatenate([unit(left), unit(right)]).mean(axis=0)
    likeness = plain if few else correlations(left, right, mean)
    differ = (hashes(left)[:, None] != hashes(right)[None]).sum(axis=-1)
    least = LEAST_CORRELATION if few else LEAST_CENTRED
    above = np.where(
        differ <= MOST_BITS, np.minimum(plain - LEAST_CORRELATION, likeness - least), -1
    )
    twins = {other: one for one, other in found}
    surely = np.where(above > ROUNDING, likeness, -1).max(axis=0)
    assert set(np.flatnonzero(surely > -1)) <= set(twins)
    for other, one in twins.items():
        assert above[one, other] > -ROUNDING
        assert likeness[one, other] > surely[other] - ROUNDING


def correlations(left: Pictures, right: Pictures, mean: Values | float) -> Values:
    """Return [N, M] of vectors less a mean; pictures that show nothing correlate with none."""
    vectors = [unit(pictures) for pictures in (left, right)]
    shown = [np.abs(each).sum(axis=1, keepdims=True) > 0 for each in vectors]
    centred = [(each - mean) * some for each, some in zip(vectors, shown, strict=True)]
    ours, theirs = (
        each / np.linalg.norm(each, axis=1, keepdims=True).clip(1e-6) for each in centred
    )
    return np.asarray(ours @ theirs.T)


def unit(pictures: Pictures) -> Values:
    """Return [N, 1024] of mean 0 and length 1, or 0 for pictures without contrast."""
    values = pictures.reshape(len(pictures), -1).astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    values[values.std(axis=1) < 2] = 0
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-6))


def hashes(pictures: Pictures) -> NDArray[np.bool_]:
    """Return the difference hash [N, 64]: is a cell of a 9x8 grid lighter than the one before?"""
    small = [
        np.asarray(Image.fromarray(each.astype(np.float32)).resize((9, 8), Image.Resampling.BOX))
        for each in pictures
    ]
    return np.stack([np.diff(each, axis=1) > 0 for each in small]).reshape(len(small), -1)
