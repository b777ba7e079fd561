"""SFEW: films are groups, test images have no labels, and its stills are AFEW's frames."""

from pathlib import Path

import numpy as np
import pytest
from conftest import AFEW_CLASSES, touch, write_afew
from layouts import read, write_layout

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.decode import decode
from fewshot_fer.system.errors import DataError

STILL = "Airheads_000519240_00000005.png"


@pytest.mark.parametrize("root", ["SFEW", "SFEW_2.0/images", "SFEW 2.0", "."])
@pytest.mark.parametrize(
    "splits",
    [
        ("Train", "Val"),
        ("Train/Train", "Val/Val"),
        ("Train_Aligned_Faces", "Val_Aligned_Faces_new/Val_Aligned_Faces"),
        ("Train_SFEW_2_0", "val_sfew_2_0"),
    ],
)
def test_layouts(tmp_path: Path, root: str, splits: tuple[str, str]) -> None:
    """Whatever archives were unpacked how; classes are spelled as AFEW's."""
    for split in splits:
        for name in AFEW_CLASSES:
            touch(tmp_path / root / split / name / STILL, tmp_path / root / split / name / "n.txt")
    table = read("sfew", tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 7, "val": 7}
    assert table["label"].nunique() == 7
    assert set(table["group"]) == {"Airheads"}
    assert set(table["clip"]) == {""}


def test_films_are_groups(tmp_path: Path) -> None:
    """The film is what stands before time and frame, however many words it has; an image whose
    name has no film is its own group, and that is told."""
    films = {
        STILL: "Airheads",
        "Harry_Potter_2_001231240_00000031.png": "Harry_Potter_2",
        "21_011500000_00000001.jpg": "21",
        "Airheads_010000000_00000009.jpg": "Airheads",
    }
    touch(*(tmp_path / "Train/Happy" / name for name in [*films, "image_12.png"]))
    table = read("sfew", tmp_path)
    groups = {
        Path(path).name: group for path, group in zip(table["path"], table["group"], strict=True)
    }
    own = str(tmp_path / "Train/Happy/image_12.png")
    assert groups == {**films, "image_12.png": own}
    assert "1 images without a film" in table.attrs["remarks"][0]


def test_test_images_are_left_out(tmp_path: Path) -> None:
    """They have no labels, not even where somebody sorted them into classes."""
    touch(tmp_path / "SFEW/Val/Sad" / STILL, tmp_path / "SFEW/Test/1.png")
    touch(tmp_path / "SFEW/Test/Happy/2.png")
    table = read("sfew", tmp_path)
    assert table["split"].tolist() == ["val"]
    assert "SFEW/Test: left out" in table.attrs["remarks"][0]


def test_aligned_faces_come_before_whole_frames(tmp_path: Path) -> None:
    """Where both are there, faces are read, and that is told."""
    touch(*(tmp_path / f"SFEW/{split}/Sad" / STILL for split in ("Train", "Train_Aligned_Faces")))
    table = read("sfew", tmp_path)
    assert len(table) == 1
    assert "aligned faces are read" in table.attrs["remarks"][0]


def test_published_counts() -> None:
    """958 and 436 images."""
    counts = find_adapter("sfew").counts
    assert {split: sum(of.values()) for split, of in counts.items()} == {"train": 958, "val": 436}


def test_other_data_sets_are_not_sfew(tmp_path: Path) -> None:
    """Splits and classes of images alone are FER2013 as much; the names of files or folder tell."""
    touch(*(tmp_path / f"other/{split}/happy/1.jpg" for split in ("train", "val", "test")))
    with pytest.raises(DataError, match="sfew not found"):
        read("sfew", tmp_path / "other")
    touch(tmp_path / "AFEW/Train/Happy/000519240/001.jpg")
    with pytest.raises(DataError, match="sfew not found"):
        read("sfew", tmp_path / "AFEW")
    touch(tmp_path / "SFEW/Train/Happy" / STILL, tmp_path / "SFEW/Train/Bored" / STILL)
    with pytest.raises(DataError, match="Bored is not a class of SFEW: expected Angry"):
        read("sfew", tmp_path)


def test_drawn_stills_are_frames_of_the_drawn_afew(tmp_path: Path) -> None:
    """Pixel by pixel, of the same class and split, so that pictures in two sets are found."""
    write_afew(tmp_path / "AFEW", n_clips=3, n_frames=3)
    write_layout("sfew", tmp_path)
    stills, frames = read("sfew", tmp_path), read("afew", tmp_path)
    assert len(stills) == 2 * 7 * 3
    pixels = {(row.split, row.label, decode(row.path, 16).tobytes()) for row in frames.itertuples()}
    for row in stills.itertuples():
        assert (row.split, row.label, decode(row.path, 16).tobytes()) in pixels
    assert not set(stills[stills["split"] == "train"]["group"]) & set(
        stills[stills["split"] == "val"]["group"]
    )
    assert np.all(stills.groupby(["split", "label"])["group"].nunique() == 3)
