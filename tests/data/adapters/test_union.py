"""Several data sets as one table: each row keeps its set, and each set its splits."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import face_table
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_fer.config.conf_files import dataset_settings
from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.adapters.union import join_sets
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.splits import balanced_rows, select_of_each_set
from fewshot_fer.data.table import group_keys
from fewshot_fer.system.errors import ConfigError, DataError, NotThereError


def union(*sets: str, **more: object) -> DatasetConfig:
    """Return the settings of a union of these sets."""
    return DatasetConfig("union", **{"split": "all", "sets": list(sets), **more})  # type: ignore[arg-type]


def of_set(name: str, splits: list[str], groups: list[str] | None = None) -> pd.DataFrame:
    """Return a table of a set with an image a split that is given, all of one class."""
    kept_apart = groups or [f"{name}{number}" for number in range(len(splits))]
    table = face_table({"anger": len(splits)}, {"anger": kept_apart})
    return table.assign(
        split=splits, dataset=name, path=[f"/{name}/{path}" for path in table["path"]]
    )


@pytest.fixture(scope="module")
def source(data: Path) -> Source:
    return Source(data, demo=False)


@given(st.permutations(["rafdb_basic", "rafdb_compound", "afew"]), st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_each_set_is_read_as_alone(source: Source, order: list[str], count: int) -> None:
    """Whatever the order: the same rows, with their own splits, groups and clips."""
    sets = order[:count]
    table = load_dataset(union(*sets), source)
    assert list(table["dataset"].unique()) == sets
    for name in sets:
        alone = load_dataset(DatasetConfig(name, split="all"), source)
        own = table[table["dataset"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone)


def test_a_set_that_is_evaluated_too_is_read_once(source: Source) -> None:
    """Reading hundreds of thousands of names takes its time."""
    load_dataset(union("rafdb_basic", "afew"), source)
    before = len(source.tables)
    load_dataset(dataset_settings("afew"), source)
    assert len(source.tables) == before


WITH = {
    "official": of_set("official", ["train", "train", "val", "test"]),
    "plain": of_set("plain", ["all", "all"]),
    "folds": of_set("folds", ["fold1", "fold2", "fold3"]),
}
CHOSEN = {
    # split of the union -> how many rows of each set, and the splits that they then have
    "all": {"official": ["train", "train", "val", "test"], "plain": ["all"] * 2}
    | {"folds": ["fold1", "fold2", "fold3"]},
    "train": {"official": ["train"] * 2, "plain": ["all"] * 2}
    | {"folds": ["fold1", "fold2", "fold3"]},
    "val": {"official": ["val"]},
    "test": {"official": ["test"]},
    "fold2/train": {"official": ["train"] * 2, "plain": ["all"] * 2, "folds": ["train"] * 2},
    "fold2/test": {"official": ["test"], "folds": ["test"]},
}


@pytest.mark.parametrize("split", CHOSEN)
def test_a_split_is_chosen_in_each_set(split: str) -> None:
    """A set without splits is there to train on, and never a test set by oversight."""
    table = select_of_each_set(join_sets(WITH), split, "/data")
    found = {str(name): own["split"].tolist() for name, own in table.groupby("dataset")}
    assert found == CHOSEN[split]
    said = " ".join(table.attrs["remarks"])
    assert all((name in said) == (name not in found) for name in WITH)


def test_a_split_that_no_set_has_is_refused() -> None:
    """With what can be given in its place."""
    with pytest.raises(DataError, match=r"no image of split 'val' in plain, folds: .*split=train"):
        select_of_each_set(join_sets({k: WITH[k] for k in ("plain", "folds")}), "val", "/data")


def test_equal_names_of_two_sets_are_other_people() -> None:
    """Subject S1 of one set says nothing of S1 of another."""
    both = {name: of_set(name, ["all"] * 2, ["S1", "S1"]) for name in ("one", "two")}
    keys = group_keys(join_sets(both))
    assert keys.nunique() == 2


def test_lost_clips_of_two_sets_are_counted_apart() -> None:
    """Both may have lost a clip 00001, in the same split."""
    both = {name: of_set(name, ["test"]) for name in ("one", "two")}
    for table in both.values():
        table.attrs["lost_clips"] = {"test/00001": "anger"}
    lost = join_sets(both).attrs["lost_clips"]
    assert len(lost) == 2
    assert all(clip.split("/")[0] == "test" for clip in lost)  # by which votes choose them


def test_the_same_file_in_two_sets_is_refused() -> None:
    """FER+ is FER2013 with other labels: each picture would stand under two."""
    first, second = of_set("fer2013", ["train"] * 3), of_set("ferplus", ["train"] * 2)
    second["path"] = first["path"][:2].tolist()
    with pytest.raises(DataError, match="2 files stand in several of fer2013, ferplus") as caught:
        join_sets({"fer2013": first, "ferplus": second})
    assert str(first["path"][0]) in str(caught.value)


REFUSED = {
    (): "dataset.sets is empty",
    ("rafdb_basic", "rafdb_basic"): "names rafdb_basic twice",
    ("rafdb_basic", "folder"): "folder cannot be one of them: list its pictures in a CSV",
    ("mixed",): "mixed cannot be one of them: name rafdb_basic and afew",
    ("union",): "union cannot be one of them",
    ("rafdb_basic", "csv"): "give dataset.file=",
}


@pytest.mark.parametrize("sets", REFUSED)
def test_what_cannot_be_a_set_is_refused_in_a_line(source: Source, sets: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(union(*sets), source)
    assert REFUSED[sets] in str(caught.value)


def test_a_list_is_a_set_with_paths_of_its_own(source: Source, tmp_path: Path) -> None:
    """Relative to its file, wherever the other sets lie."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "mmi.csv").write_text("path,label,subject\na.jpg,Happy,S1\n")
    table = load_dataset(union("afew", "csv", file=str(tmp_path / "mmi.csv")), source)
    own = table[table["dataset"] == "csv"]
    assert own[["path", "label", "group"]].to_numpy().tolist() == [
        [str(tmp_path / "a.jpg"), "happiness", "S1"]
    ]


def test_sets_that_are_not_there_are_an_error_or_left_out_and_named(
    source: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With none at all, the error says what to get."""
    with pytest.raises(NotThereError, match="jaffe not found"):
        load_dataset(union("jaffe", "afew"), source)
    some = load_dataset(union("jaffe", "afew", "csv", skip_missing=True), source)
    assert set(some["dataset"]) == {"afew"}
    assert "left out: jaffe, csv (give dataset.file=" in caplog.text
    nowhere = Source(tmp_path, demo=False)
    with pytest.raises(NotThereError, match=r"none of the sets .* get jaffe, afew"):
        load_dataset(union("jaffe", "afew", skip_missing=True), nowhere)


def test_sets_of_any_size_are_balanced_and_no_image_repeats_needlessly() -> None:
    """7 of a set of 3: each twice and one a third time; 7 of a set of 20: all different."""
    sizes = {"small": 3, "large": 20}
    table = join_sets({name: of_set(name, ["all"] * size) for name, size in sizes.items()})
    rows = balanced_rows(table, table.index.to_numpy(), 7, seed=1, by="dataset")
    counts = table.iloc[rows].groupby("dataset")["path"].value_counts()
    assert sorted(counts["small"]) == [2, 2, 3]
    assert counts["large"].tolist() == [1] * 7


def test_the_adapter_reads_alone_too(data: Path) -> None:
    """As a plugin or a notebook may, without a run around it."""
    table = find_adapter("union").read(data, union("rafdb_basic", "afew"))
    assert set(table["dataset"]) == {"rafdb_basic", "afew"}
