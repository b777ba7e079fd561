"""Embeddings relative to neutral faces: the formula by hand, and tables that it cannot work for."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot_fer.data.neutral import neutral_shift, relative_to_neutral, require_neutral
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError

PICTURES = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=14)


def by_hand(embeddings: np.ndarray, groups: list[int], neutral: list[bool]) -> np.ndarray:
    """Move each picture by the share that its subject's other neutral pictures allow."""
    moved = embeddings.copy()
    for place, group in enumerate(groups):
        known: dict[int, list[np.ndarray]] = {}
        for other, (its_group, is_neutral) in enumerate(zip(groups, neutral, strict=True)):
            if not is_neutral or other == place:
                continue
            known.setdefault(its_group, []).append(embeddings[other])
        if group in known:
            expected = np.mean([np.mean(each, axis=0) for each in known.values()], axis=0)
            share = len(known[group]) / (len(known[group]) + 2)
            moved[place] += share * (expected - np.mean(known[group], axis=0))
    return moved


@given(PICTURES, st.integers(0, 2**32 - 1))
def test_each_picture_moves_by_its_subjects_other_neutral_pictures(
    pictures: list[tuple[int, bool]], seed: int
) -> None:
    """A neutral picture never counts for itself; without others it stays where it is."""
    groups, neutral = [list(each) for each in zip(*pictures, strict=True)]
    embeddings = np.random.default_rng(seed).normal(size=(len(groups), 3))
    found = relative_to_neutral(torch.from_numpy(embeddings), np.array(groups), np.array(neutral))
    np.testing.assert_allclose(found.numpy(), by_hand(embeddings, groups, neutral), atol=1e-12)


def test_a_subjects_way_of_looking_neutral_cancels_as_it_is_known_better() -> None:
    """With many neutral pictures, what sets a subject apart is gone."""
    apart = torch.tensor([[4.0, -2.0], [-4.0, 2.0]])
    groups = np.repeat([0, 1], 51)
    embeddings = torch.randn(2, 51, 2, generator=torch.Generator().manual_seed(0)) * 0.01
    embeddings = (embeddings + apart[:, None]).reshape(102, 2)
    neutral = np.tile(np.arange(51) < 50, 2)
    smile = relative_to_neutral(embeddings, groups, neutral)[~torch.from_numpy(neutral)]
    before = (embeddings[50] - embeddings[101]).norm()
    assert (smile[0] - smile[1]).norm() < 0.06 * before  # 2 / 52, and noise


def test_a_persons_shift_is_that_of_a_subject() -> None:
    """Photographs are moved by the same formula as a table's pictures."""
    embeddings = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    groups, neutral = np.array([0, 0, 0, 1, 2]), np.array([True, True, False, True, True])
    moved = relative_to_neutral(embeddings, groups, neutral)[2] - embeddings[2]
    expected = torch.stack([embeddings[:2].mean(dim=0), *embeddings[3:]]).mean(dim=0)
    shift = neutral_shift(embeddings[:2], expected)
    torch.testing.assert_close(shift, moved)


def table(*rows: tuple[str, str]) -> pd.DataFrame:
    return make_table(
        [
            {"path": f"/{n}.jpg", "label": label, "split": "all", "group": group, "dataset": "made"}
            for n, (label, group) in enumerate(rows)
        ]
    )


def test_tables_without_neutral_faces_of_subjects_are_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No class, no subjects, clips of one expression each: a line; and how many lack a picture."""
    smiles = table(("happiness", "a"), ("anger", "a"))
    with pytest.raises(DataError, match="no class neutral among anger, happiness"):
        require_neutral(smiles, "test csv_5w1s")
    clips = table(("neutral", "a"), ("neutral", "b"), ("anger", "c"), ("anger", "c"))
    with pytest.raises(DataError, match="groups must be subjects"):
        require_neutral(clips, "test csv_5w1s")
    alone = table(("neutral", "a"), ("anger", "a"), ("anger", "b"))
    with pytest.raises(DataError, match="groups must be subjects"):
        require_neutral(alone, "test csv_5w1s")
    good = table(("neutral", "a"), ("anger", "a"), ("neutral", "b"), ("fear", "b"), ("fear", "c"))
    with caplog.at_level("INFO", logger="fewshot_fer"):
        require_neutral(good, "test csv_5w1s")
    assert "1 of 3 subjects have no neutral picture" in caplog.text
