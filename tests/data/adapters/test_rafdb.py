"""RAF-DB: the published layout, the re-packs, and every way in which a label list can be wrong."""

import shutil
from pathlib import Path

import pytest
from conftest import touch

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data import labels
from fewshot_fer.data.adapters.rafdb import read_rafdb_basic, read_rafdb_compound
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.splits import select_split
from fewshot_fer.system.errors import DataError

LIST = "EmoLabel/list_patition_label.txt"


def subset(root: Path, n_classes: int = 7, aligned: str = "Image/aligned") -> Path:
    """Make a subset with a training and a test image a class; adapters never open images."""
    lines = []
    for class_id in range(1, n_classes + 1):
        for name in (f"train_{class_id:05}", f"test_{class_id:04}"):
            lines.append(f"{name}.jpg {class_id}")
            touch(root / aligned / f"{name}_aligned.jpg")
    touch(root / LIST)
    (root / LIST).write_text("\n".join(lines))
    return root


@pytest.mark.parametrize(
    "place", ["RAF-DB/basic", "RAFDB/basic", "raf-db/Basic", "raf-basic", "basic", "."]
)
def test_roots_in_the_wild(tmp_path: Path, place: str) -> None:
    """Wherever the subset folder lies below the data folder, and if it is that folder itself."""
    subset(tmp_path / place)
    table = read_rafdb_basic(tmp_path)
    assert len(table) == 14
    row = table[table["path"].str.endswith("train_00004_aligned.jpg")].iloc[0]
    assert (row["label"], row["split"], row["dataset"]) == ("happiness", "train", "rafdb_basic")
    assert row["group"] == row["path"]
    assert table["split"].value_counts().to_dict() == {"train": 7, "test": 7}


def test_the_data_folder_may_be_rafdb_itself(tmp_path: Path) -> None:
    """paths.data=.../RAF-DB finds both subsets, and never the one for the other."""
    subset(tmp_path / "RAF-DB/basic")
    subset(tmp_path / "RAF-DB/compound", n_classes=11)
    assert len(read_rafdb_basic(tmp_path / "RAF-DB")) == 14
    assert len(read_rafdb_compound(tmp_path / "RAF-DB")) == 22
    assert len(read_rafdb_compound(tmp_path / "RAF-DB/compound")) == 22
    shutil.rmtree(tmp_path / "RAF-DB/compound")
    with pytest.raises(DataError, match="rafdb_compound not found"):
        read_rafdb_compound(tmp_path / "RAF-DB/basic")


def test_subsets_with_equal_names_are_kept_apart(tmp_path: Path) -> None:
    """train_00001.jpg stands in both subsets, as two pictures of two classes."""
    subset(tmp_path / "RAF-DB/basic")
    subset(tmp_path / "RAF-DB/compound", n_classes=11)
    basic, compound = read_rafdb_basic(tmp_path), read_rafdb_compound(tmp_path)
    assert not set(basic["path"]) & set(compound["path"])
    assert set(compound["label"]) == set(labels.COMPOUND)
    first = compound[compound["path"].str.endswith("train_00001_aligned.jpg")].iloc[0]
    assert first["label"] == "happily surprised"


def test_spelling_of_the_list_and_doubled_folder(tmp_path: Path) -> None:
    """list_partition_label.txt, and an archive unpacked one level too deep."""
    root = subset(tmp_path / "basic", aligned="Image/aligned/aligned")
    (root / LIST).rename(root / "EmoLabel/list_partition_label.txt")
    assert len(read_rafdb_basic(tmp_path)) == 14


def test_original_pictures_stand_in_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without aligned pictures the original ones are read, whose names lack _aligned."""
    root = subset(tmp_path / "basic")
    shutil.rmtree(root / "Image/aligned")
    for class_id in range(1, 8):
        for name in (f"train_{class_id:05}", f"test_{class_id:04}"):
            touch(root / "Image/original" / f"{name}.jpg")
    assert len(read_rafdb_basic(tmp_path)) == 14
    assert "original pictures" in caplog.text


def test_count_is_compared_with_the_official_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A differing count is a warning with both numbers, except for the embedded data."""
    subset(tmp_path / "basic")
    settings = DatasetConfig("rafdb_basic")
    assert len(load_dataset(settings, Source(tmp_path, demo=True))) == 14
    assert not caplog.text
    load_dataset(settings, Source(tmp_path, demo=False))
    assert "14 images" in caplog.text
    assert "15339" in caplog.text


@pytest.mark.parametrize(
    ("train", "held_out"), [("train", "test"), ("train_set", "val_set"), ("train", "valid")]
)
@pytest.mark.parametrize("place", ["DATASET", "RAF-DB/DATASET", "RAF-DB/basic", "."])
def test_repacks_by_class_folder(tmp_path: Path, place: str, train: str, held_out: str) -> None:
    """The Kaggle copy and its kin: folders 1..7 are the official ids, not an alphabet."""
    root = tmp_path / place
    for number, split in enumerate((train, held_out)):
        for class_id in range(1, 8):
            touch(root / split / str(class_id) / f"x_{number}{class_id}_aligned.jpg")
    touch(root / "train_labels.csv", root / train / ".DS_Store")
    table = read_rafdb_basic(tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 7, "test": 7}
    for class_id, name in enumerate(labels.BASIC, start=1):
        of_class = table[table["label"] == name]["path"]
        assert all(f"/{class_id}/" in path for path in of_class)


def test_repack_with_named_classes(tmp_path: Path) -> None:
    """ImageFolder copies spell the classes out."""
    for split in ("train", "valid"):
        for name in ("Surprise", "fear", "Disgust", "happy", "SAD", "angry", "neutral"):
            touch(tmp_path / "DATASET" / split / name / f"{name}.jpg")
    assert set(read_rafdb_basic(tmp_path)["label"]) == set(labels.BASIC)


def test_missing_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    """Where, what should be there, what is there, and the way without data."""
    touch(tmp_path / "holiday.jpg")
    with pytest.raises(DataError) as error:
        read_rafdb_basic(tmp_path)
    for part in (str(tmp_path), LIST, "holiday.jpg", "paths.data=", "paths=demo"):
        assert part in str(error.value)
    with pytest.raises(DataError, match="no such folder"):
        read_rafdb_basic(tmp_path / "gone")


def test_missing_pictures_are_counted(tmp_path: Path) -> None:
    """A list without its pictures: how many, the first, and where."""
    root = subset(tmp_path / "basic")
    (root / "Image/aligned/train_00002_aligned.jpg").unlink()
    (root / "Image/aligned/test_0005_aligned.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of the 14 images .* first is train_00002_aligned\.jpg"):
        read_rafdb_basic(tmp_path)


def test_empty_split_names_those_there_are(tmp_path: Path) -> None:
    """dataset.split=val on RAF-DB, which has train and test."""
    subset(tmp_path / "basic")
    with pytest.raises(DataError, match=r"split 'val'.*test, train"):
        select_split(read_rafdb_basic(tmp_path), "val", tmp_path)
