"""Embeddings made in shards are those of one command, and the test that follows makes none."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Command, assert_one_line
from hypothesis import given
from hypothesis import strategies as st
from small_networks import random_images, small_encoder

from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.embedding_shards import rows_of_shard

EPISODES = ("test=afew_4w5s", "test.k_shot=2", "test.episodes=10")
BOTH = ("test=[basic_fixed5,afew_4w5s]", "test.basic_fixed5.k_shot=2")
SMALL = ("test.basic_fixed5.support_draws=2", "test.afew_4w5s.k_shot=2")


@given(
    st.lists(st.integers(0, 500), max_size=200),
    st.integers(1, 9),
    st.integers(1, 64),
)
def test_shards_are_all_rows_once_in_whole_batches(
    drawn: list[int], shards: int, batch: int
) -> None:
    """None is left out or embedded twice, and no shard has a batch more than another."""
    rows = np.array(drawn, dtype=np.int64)
    parts = [rows_of_shard(rows, shard, shards, batch) for shard in range(shards)]
    assert sorted(np.concatenate(parts)) == sorted(set(drawn))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= batch


@pytest.fixture
def run(fixed_run: Path, tmp_path: Path) -> Path:
    """A finished run without embeddings."""
    run = shutil.copytree(fixed_run, tmp_path / "run")
    shutil.rmtree(run / "embeddings", ignore_errors=True)
    return run


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the encoder, one entry a batch."""
    seen: list[int] = []
    plain = Embedder.encode_pixels

    def counted(self: Embedder, pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(Embedder, "encode_pixels", counted)
    return seen


def kept(run: Path) -> dict[str, torch.Tensor]:
    return {
        f"{file.name} {key}": value
        for file in sorted((run / "embeddings").iterdir())
        for key, value in torch.load(file, weights_only=True).items()
        if isinstance(value, torch.Tensor)
    }


@pytest.mark.parametrize("words", [EPISODES, (*BOTH, *SMALL)])
def test_a_test_after_shards_embeds_nothing(
    command: Command, run: Path, tmp_path: Path, embedded: list[int], words: tuple[str, ...]
) -> None:
    """Its tables and kept embeddings are those of a test that nobody shared, bit for bit."""
    alone = shutil.copytree(run, tmp_path / "alone")
    first = command("test", f"run={alone}", *words)
    assert first.code == 0, first.err
    expected, n_images = kept(alone), sum(embedded)
    embedded.clear()
    for shard in (2, 0, 1):
        outcome = command("test", f"run={run}", *words, "shards=3", f"shard={shard}")
        assert (outcome.code, outcome.made) == (0, None), outcome.err
    assert sum(embedded) == n_images
    assert len(list((run / "embeddings").iterdir())) == 3 * len(expected) // 2
    embedded.clear()
    second = command("test", f"run={run}", *words)
    assert embedded == []
    results = [pd.read_csv(each.folder / "results.csv") for each in (first, second)]
    pd.testing.assert_frame_equal(*results)
    made = kept(run)
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[key], value) for key, value in expected.items())


@pytest.mark.slow
def test_shards_run_as_a_sweep(command: Command, run: Path, embedded: list[int]) -> None:
    """One line starts them all; typed again, it has nothing to do."""
    line = ("-m", f"run={run}", *EPISODES, "shards=3", "shard=range(3)")
    outcome = command("test", *line)
    assert outcome.code == 0, outcome.err
    assert "3 of 3 jobs done" in outcome.out
    embedded.clear()
    assert command("test", *line).out.count("done before") == 3
    assert command("test", f"run={run}", *EPISODES).code == 0
    assert embedded == []
    report = command("report", "runs=outputs", "pictures=false", "embeddings=false")
    assert report.code == 0, report.err


def test_a_shard_that_is_missing_or_damaged_is_made_by_the_test(
    tmp_path: Path, embedded: list[int]
) -> None:
    """And what a test made before is not made again by a shard."""
    images, every = random_images(40), np.arange(40)
    expected = Embedder(small_encoder()).encode(images, every)
    parts = [rows_of_shard(every, shard, 4, 16) for shard in range(4)]

    def embedder(part: str = "") -> Embedder:
        made = Embedder(small_encoder(), keep_in=tmp_path / "kept")
        assert made.kept is not None
        made.kept = replace(made.kept, part=part)
        return made

    embedder().encode(images, parts[0][:4])
    for shard in (0, 1, 2):
        embedder(f"{shard}of4").encode(images, parts[shard])
    (tmp_path / "kept" / next((tmp_path / "kept").glob("*.1of4.pt")).name).write_bytes(b"torn")
    embedded.clear()
    assert torch.equal(embedder().encode(images, every), expected)
    assert sum(embedded) == len(parts[1]) + len(parts[3])
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shards=4",), "-m 'shard=range(4)'"),
        (("shards=4", "shard=4"), "shard=4 is out of range"),
        (("shards=4", "shard=0", "keep_embeddings=false"), "leave keep_embeddings=false out"),
    ],
)
def test_mistakes_are_one_line(
    command: Command, run: Path, words: tuple[str, ...], said: str
) -> None:
    """Before anything is embedded."""
    assert_one_line(command("test", f"run={run}", *EPISODES, *words), said)
