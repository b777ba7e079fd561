"""AFEW: clips stay clips, frames without a face stay out, and ids are not taken for unique."""

import logging
from pathlib import Path

import pytest
from conftest import AFEW_CLASSES

from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.listing import natural_key
from fewshot_fer.system.errors import DataError


def frames(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize("root", ["AFEW", "afew", "AFEW_frames", "."])
@pytest.mark.parametrize("splits", [("Train_AFEW", "Val_AFEW"), ("Train", "Val"), ("train", "val")])
def test_layouts(tmp_path: Path, root: str, splits: tuple[str, str]) -> None:
    """Either spelling of the split folders, wherever they lie; classes become canonical."""
    for split in splits:
        for name in AFEW_CLASSES:
            frames(tmp_path / root / split / name / "000123456", "001.png", "002.PNG")
    table = read_afew(tmp_path)
    assert len(table) == 28
    assert table["split"].value_counts().to_dict() == {"train": 14, "val": 14}
    assert set(table["label"]) == {
        "anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"
    }  # fmt: skip
    # One id everywhere, yet a clip of its own in every split and class.
    assert table["group"].nunique() == 14
    assert (table["clip"] == table["group"]).all()


def test_shared_ids_are_different_clips(tmp_path: Path) -> None:
    """001703120 is a sad training clip and a happy validation clip."""
    frames(tmp_path / "Train_AFEW/Sad/001703120", "001.jpg")
    frames(tmp_path / "Val_AFEW/Happy/001703120", "001.jpg")
    table = read_afew(tmp_path)
    assert table["group"].tolist() == ["train/Sad/001703120", "val/Happy/001703120"]


def test_frames_are_in_the_order_of_time(tmp_path: Path) -> None:
    """out-9 comes before out-10, and a frame left out keeps its place in time."""
    names = (
        "out-10.jpg",
        "out-9.jpg",
        "out-8_noface.jpg",
        "out-100.jpg",
        ".out-1.jpg",
        "Thumbs.db",
    )
    frames(tmp_path / "Train_AFEW/Fear/000000001", *names)
    table = read_afew(tmp_path).sort_values("frame")
    assert [Path(path).name for path in table["path"]] == ["out-9.jpg", "out-10.jpg", "out-100.jpg"]
    assert table["frame"].tolist() == [1, 2, 3]


def test_natural_order_of_mixed_names() -> None:
    """Numbers sort by value among themselves, and any two names can be compared."""
    expected = ["", "01", "1", "1a", "9", "10", "a9", "a10", "b", "²"]
    assert sorted(set(expected), key=natural_key) == expected


def test_clips_that_lost_every_face_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They leave no row, and are named rather than dropped in silence."""
    frames(tmp_path / "Val_AFEW/Happy/000000001", "001.jpg", "002_noface.jpg")
    frames(tmp_path / "Val_AFEW/Happy/000000002", "001noface.jpg")
    with caplog.at_level(logging.INFO):
        table = read_afew(tmp_path)
    assert len(table) == 1
    assert "2 frames without a face left out" in caplog.text
    assert "val/Happy/000000002" in caplog.text


def test_videos_must_be_extracted_first(tmp_path: Path) -> None:
    """The published form, .avi files, says what is to be done."""
    frames(tmp_path / "AFEW/Train_AFEW/Angry", "000046280.avi")
    with pytest.raises(DataError, match=r"holds videos .*frames must be extracted first"):
        read_afew(tmp_path)


def test_foreign_classes_and_missing_data_are_named(tmp_path: Path) -> None:
    """A folder that is no class of AFEW, and no AFEW at all."""
    frames(tmp_path / "AFEW/Train_AFEW/Bored/000000001", "001.jpg")
    with pytest.raises(DataError, match=r"Bored is not a class of AFEW"):
        read_afew(tmp_path)
    with pytest.raises(DataError, match=r"afew not found in .*paths=demo"):
        read_afew(tmp_path / "gone")
