"""AFEW as people really have it: beside its videos, beside other data sets, half extracted."""

from pathlib import Path

import pytest
from conftest import touch

from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.system.errors import DataError


def test_frames_beside_the_videos(tmp_path: Path) -> None:
    """Where AFEW holds the videos and AFEW_frames the frames, the frames are found."""
    touch(tmp_path / "AFEW/Train_AFEW/Sad/000000001.avi")
    touch(tmp_path / "AFEW_frames/Train_AFEW/Sad/000000001/001.JPEG")
    assert read_afew(tmp_path)["group"].tolist() == ["train/Sad/000000001"]


def test_videos_beside_their_own_frames(tmp_path: Path) -> None:
    """A class folder may keep the videos that its clips were extracted from."""
    of_class = tmp_path / "Train_AFEW/Sad"
    touch(of_class / "000000001.avi", of_class / "000000001/001.jpg")
    assert len(read_afew(tmp_path)) == 1


def test_loose_frames_beside_clips(tmp_path: Path) -> None:
    """A frame that belongs to no clip is refused, not left out in silence."""
    touch(tmp_path / "Train_AFEW/Sad/000000001/001.jpg", tmp_path / "Train_AFEW/Sad/loose.jpg")
    with pytest.raises(DataError, match=r"Train_AFEW/Sad holds frames without clip folders"):
        read_afew(tmp_path)


@pytest.mark.parametrize("root", ["AFEW/Train", "Train_AFEW"])
def test_frames_right_in_the_class(tmp_path: Path, root: str) -> None:
    """What is wrong is said wherever a name tells that AFEW is meant."""
    touch(tmp_path / root / "Angry/000046280_001.jpg")
    with pytest.raises(DataError, match="support and query"):
        read_afew(tmp_path)


def test_another_data_set_is_not_afew(tmp_path: Path) -> None:
    """train and valid of images by class, as a copy of RAF-DB, hold no clips: AFEW is missing."""
    touch(*(tmp_path / f"{split}/Angry/1.jpg" for split in ("train", "valid")))
    with pytest.raises(DataError, match=r"afew not found .*paths=demo"):
        read_afew(tmp_path)


def test_one_split_alone(tmp_path: Path) -> None:
    """Whoever evaluates needs AFEW's validation clips only."""
    touch(tmp_path / "AFEW/Val_AFEW/Happy/000000001/0000001.jpg")
    assert set(read_afew(tmp_path)["split"]) == {"val"}


def test_no_frame_at_all(tmp_path: Path) -> None:
    """Clip folders without any frame are an error, since there is nothing to draw from."""
    (tmp_path / "AFEW/Train_AFEW/Angry/000000001").mkdir(parents=True)
    with pytest.raises(DataError, match="afew not found"):
        read_afew(tmp_path)


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    """A clip that links to a folder above is not followed into it."""
    clip = tmp_path / "Train_AFEW/Sad/000000001"
    touch(clip / "001.jpg")
    (clip / "up").symlink_to(tmp_path, target_is_directory=True)
    (clip / "002.jpg").symlink_to(clip / "002.jpg")
    assert len(read_afew(tmp_path)) == 1


def test_third_spelling(tmp_path: Path) -> None:
    """validation/Sadness/1_1_002916200 is the clip val/Sad/002916200, key by key; ids that two
    prefixes share are told apart by them."""
    spelled = {
        "train/Anger/1_3_004108160": "train/Angry/004108160",
        "validation/Sadness/1_1_002916200": "val/Sad/002916200",
        "validation/Happiness/1_0_002916200": "val/Happy/002916200",
        "validation/Surprise/1_4_000000001": "val/Surprise/000000001",
    }
    touch(*(tmp_path / f"copy/AFEW/{clip}/0000001.jpg" for clip in spelled))
    official = {"train": "Train_AFEW", "val": "Val_AFEW"}
    for clip in spelled.values():
        split, rest = clip.split("/", 1)
        touch(tmp_path / f"AFEW/{official[split]}/{rest}/0000001.jpg")
    copy, published = read_afew(tmp_path / "copy"), read_afew(tmp_path)
    columns = ["label", "split", "group", "clip", "frame"]
    assert copy.sort_values("clip")[columns].to_numpy().tolist() == (
        published.sort_values("clip")[columns].to_numpy().tolist()
    )
    touch(*(tmp_path / f"two/Val/Sad/1_{n}_002916200/001.jpg" for n in (1, 2)))
    assert read_afew(tmp_path / "two")["clip"].nunique() == 2
