"""Splits, folds and classes of a FaceTable."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot_fer.data.splits import fold_splits, select_classes, select_split
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError


def table_of(splits: list[str]) -> pd.DataFrame:
    labels = ("anger", "happiness", "fear")
    rows = [
        {"path": f"/{n}.jpg", "label": labels[n % 3], "split": split, "dataset": "some"}
        for n, split in enumerate(splits)
    ]
    return make_table(rows)


def test_a_fold_is_tested_on_its_own_rows_and_trained_on_all_others() -> None:
    """Rows that no fold tests are trained on in each; the split is then train or test."""
    table = table_of(["fold1", "fold2", "fold2", "train"])
    test, train = (select_split(table, f"fold2/{side}", "here") for side in ("test", "train"))
    assert (test["path"].tolist(), {*test["split"]}) == (["/1.jpg", "/2.jpg"], {"test"})
    assert (train["path"].tolist(), {*train["split"]}) == (["/0.jpg", "/3.jpg"], {"train"})


@pytest.mark.parametrize("split", ["fold3/train", "fold3/test", "test"])
def test_a_split_that_is_not_there_names_those_that_are(split: str) -> None:
    """The training rows of an unknown fold are not simply all."""
    with pytest.raises(DataError, match=f"'{split}'.*fold1/train, fold1/test, fold2/train"):
        select_split(table_of(["fold2", "fold1"]), split, "here")


@given(st.lists(st.sampled_from([f"S{n}" for n in range(30)]), min_size=1), st.integers(2, 10))
def test_folds_keep_subjects_together(subjects: list[str], n_folds: int) -> None:
    """Each subject is in one fold, and folds differ by one subject at most."""
    folds = pd.DataFrame({"subject": subjects, "fold": fold_splits(subjects, n_folds)})
    assert len(folds.drop_duplicates()) == folds["subject"].nunique()
    sizes = folds.drop_duplicates()["fold"].value_counts()
    assert sizes.max() - sizes.reindex([f"fold{n + 1}" for n in range(n_folds)]).fillna(0).min() < 2


def test_classes_are_chosen_by_any_spelling() -> None:
    """The others are left out; an unknown one is an error with those there are."""
    table = table_of(["train"] * 6)
    assert {*select_classes(table, ["Happy", "anger"])["label"]} == {"anger", "happiness"}
    assert len(select_classes(table, [])) == 6
    with pytest.raises(DataError, match="contempt; there are anger, fear, happiness"):
        select_classes(table, ["contempt"])
