"""RAF-DB as people really have it: half unpacked, re-packed, linked, beside other data sets."""

from pathlib import Path

import pytest
from conftest import touch

from fewshot_fer.data.adapters.rafdb import read_rafdb_basic, read_rafdb_compound
from fewshot_fer.system.errors import DataError

LABELS = {"train_00001": 5, "train_00002": 1, "test_0001": 7}


def write_subset(root: Path, images: str = "Image/aligned", suffix: str = "_aligned") -> Path:
    """Write a subset of three images in the published layout; return its folder."""
    file = root / "EmoLabel/list_patition_label.txt"
    touch(file, *(root / images / f"{image}{suffix}.jpg" for image in LABELS))
    file.write_text("".join(f"{image}.jpg {number}\r\n" for image, number in LABELS.items()))
    return root


@pytest.mark.parametrize("place", ["RAF_DB/BASIC", "RAF-DB/raf-basic", "RAF-DB", "my copy"])
def test_more_roots(tmp_path: Path, place: str) -> None:
    """Other names of the folders, the list right in RAF-DB, and the subset folder given outright
    under any name."""
    folder = write_subset(tmp_path / place)
    data = folder if place == "my copy" else tmp_path
    table = read_rafdb_basic(data)
    assert sorted(table["label"]) == ["neutral", "sadness", "surprise"]


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table made from a relative folder still leads to its files from anywhere else."""
    write_subset(tmp_path / "data/basic")
    monkeypatch.chdir(tmp_path)
    table = read_rafdb_basic(Path("data"))
    assert table["path"].str.startswith(str(tmp_path)).all()


def test_neither_subset_stands_in_for_the_other(tmp_path: Path) -> None:
    """Ids 1..7 are valid in both subsets, so a mix-up would go unnoticed: it must not happen."""
    basic, compound = (write_subset(tmp_path / name) for name in ("basic", "compound"))
    for read, other in ((read_rafdb_basic, compound), (read_rafdb_compound, basic)):
        with pytest.raises(DataError, match="not found"):
            read(other)


def test_aligned_pictures_are_preferred(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where both lie, the aligned ones are read, and without a warning."""
    write_subset(tmp_path / "basic", images="Image/original", suffix="")
    write_subset(tmp_path / "basic")
    table = read_rafdb_basic(tmp_path)
    assert table["path"].str.endswith("_aligned.jpg").all()
    assert caplog.text == ""


def test_empty_inner_folder(tmp_path: Path) -> None:
    """An empty aligned/aligned does not hide the images one level above."""
    folder = write_subset(tmp_path / "basic")
    (folder / "Image/aligned/aligned").mkdir()
    assert len(read_rafdb_basic(tmp_path)) == 3


def test_archive_that_was_not_unpacked(tmp_path: Path) -> None:
    """Where only the archive of images lies, its name is shown."""
    touch(write_subset(tmp_path / "basic", images="elsewhere") / "Image/aligned.zip")
    with pytest.raises(DataError, match=r"Image/aligned/train_00001_aligned.jpg.*aligned\.zip"):
        read_rafdb_basic(tmp_path)


def test_folder_without_its_list(tmp_path: Path) -> None:
    """The message shows what the subset's folder holds, not only what lies far above it."""
    touch(tmp_path / "RAF-DB/basic/Image/aligned/train_00001_aligned.jpg")
    with pytest.raises(DataError, match=r"found in .*RAF-DB/basic: Image"):
        read_rafdb_basic(tmp_path)


def test_three_splits_stay_three(tmp_path: Path) -> None:
    """Where valid stands beside test, neither is dropped, and validation is not test."""
    touch(*(tmp_path / f"{split}/3/a.jpg" for split in ("train", "valid", "test")))
    table = read_rafdb_basic(tmp_path)
    assert table.groupby("split").size().to_dict() == {"test": 1, "train": 1, "val": 1}


def test_list_wins_over_folders(tmp_path: Path) -> None:
    """The published layout is taken where a re-pack lies beside it, so no image counts twice."""
    write_subset(tmp_path / "RAF-DB/basic")
    touch(tmp_path / "DATASET/train/1/x.jpg", tmp_path / "DATASET/test/1/x.jpg")
    assert len(read_rafdb_basic(tmp_path)) == 3


@pytest.mark.parametrize("place", ["DATASET", "basic/DATASET"])
def test_repack_below_or_given(tmp_path: Path, place: str) -> None:
    """DATASET itself may be given, and may lie within the subset's folder."""
    touch(*(tmp_path / place / split / "3/a_aligned.jpg" for split in ("train", "test")))
    for data in (tmp_path, tmp_path / place):
        assert set(read_rafdb_basic(data)["label"]) == {"disgust"}


@pytest.mark.parametrize("name", ["8", "0", "contempt", "misc"])
def test_unknown_class_folder(tmp_path: Path, name: str) -> None:
    """A class that RAF-DB does not have is named with its folder."""
    splits = [tmp_path / "DATASET" / split for split in ("train", "test")]
    touch(*(split / of_class / "a.jpg" for split in splits for of_class in ("1", name)))
    with pytest.raises(DataError, match=rf"DATASET/train/{name} is not a class"):
        read_rafdb_basic(tmp_path)


def test_empty_class_folder(tmp_path: Path) -> None:
    """A class without images, as after an interrupted copy, is not passed over."""
    touch(tmp_path / "DATASET/train/1/a.jpg", tmp_path / "DATASET/test/1/note.txt")
    with pytest.raises(DataError, match=r"no image in .*test/1 \(note.txt\)"):
        read_rafdb_basic(tmp_path)


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    """Links to themselves or to their parents neither hang nor raise."""
    folder = write_subset(tmp_path / "basic")
    (folder / "Image/aligned/loop.jpg").symlink_to(folder / "Image/aligned/loop.jpg")
    (folder / "Image/aligned/up").symlink_to(folder, target_is_directory=True)
    assert len(read_rafdb_basic(tmp_path)) == 3


def test_afew_is_not_a_copy_of_rafdb(tmp_path: Path) -> None:
    """AFEW's Train and Val, with clips below the classes, are not taken for a re-pack."""
    touch(*(tmp_path / f"{split}/Angry/000000001/1.jpg" for split in ("Train", "Val")))
    with pytest.raises(DataError, match="rafdb_basic not found"):
        read_rafdb_basic(tmp_path)
