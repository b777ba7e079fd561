"""DFEW: ids that count from 1, names to be padded, folds, clips without frames or with few."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from layouts import read, write_layout

from fewshot_fer.data.adapters.dfew import COUNTS
from fewshot_fer.data.splits import select_split
from fewshot_fer.system.errors import DataError

HEADER = "video_name,label"
LISTS = "EmoLabel_DataSplit"


def write(root: Path, tested: list[str], frames: int = 16, folder: str = "clip_224x224") -> Path:
    """Write DFEW with a fold for each list of lines "clip,id"; return its folder."""
    clips = [line.split(",")[0] for lines in tested for line in lines.split()]
    for clip in clips:
        place = root / "Clip" / folder / f"{int(clip.removesuffix('.mp4')):05}"
        place.mkdir(parents=True)
        for frame in range(frames):
            (place / f"{frame + 1:05}.jpg").touch()
    for fold in range(1, len(tested) + 1):
        others = [lines for number, lines in enumerate(tested, start=1) if number != fold]
        for split, lines in (("test", [tested[fold - 1]]), ("train", others)):
            file = root / LISTS / f"{split}(single-labeled)" / f"set_{fold}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join([HEADER, *" ".join(lines).split()]))
    return root


FIVE = ["1,1 2,2", "3,3", "4,4", "5,5", "6,6 7,7"]


def test_the_embedded_layout(tmp_path: Path) -> None:
    """Seven classes in equal parts, a clip a group, half of the clips tested by fold 1."""
    write_layout("dfew", tmp_path)
    table = read("dfew", tmp_path)
    clips = table.drop_duplicates("clip")
    assert clips["label"].value_counts().to_dict() == dict.fromkeys(COUNTS, 12)
    assert (table["group"] == table["clip"]).all()
    assert clips["split"].value_counts()["fold1"] == 42
    assert table.groupby("clip")["frame"].apply(list).map(tuple).unique().tolist() == [(0, 1, 2)]


def test_published_counts_are_those_of_fold_1() -> None:
    """Sums of the train and test list of fold 1, 9,356 and 2,341 clips."""
    assert sum(COUNTS.values()) == 9356 + 2341
    assert (COUNTS["happiness"], COUNTS["fear"]) == (1956 + 489, 721 + 181)


def test_ids_count_from_1_and_names_are_padded(tmp_path: Path) -> None:
    table = read("dfew", write(tmp_path / "DFEW", ["1.mp4,1 00002.mp4,2", *FIVE[1:]]))
    by_clip = table.drop_duplicates("clip").set_index("clip")["label"].to_dict()
    assert by_clip == {
        "00001": "happiness",
        "00002": "sadness",
        "00003": "neutral",
        "00004": "anger",
        "00005": "surprise",
        "00006": "disgust",
        "00007": "fear",
    }


def test_a_fold_trains_on_all_that_it_does_not_test(tmp_path: Path) -> None:
    table = read("dfew", write(tmp_path / "DFEW", FIVE))
    tested = select_split(table, "fold5/test", tmp_path)
    trained = select_split(table, "fold5/train", tmp_path)
    assert set(tested["clip"]) == {"00006", "00007"}
    assert set(trained["clip"]) == {f"{number:05}" for number in range(1, 6)}


def test_clips_without_frames_are_lost_in_their_own_split(tmp_path: Path) -> None:
    """Votes count them as errors, but only where their fold is tested."""
    root = write(tmp_path / "DFEW", FIVE)
    for frame in (root / "Clip/clip_224x224/00002").iterdir():
        frame.unlink()
    table = read("dfew", root)
    assert table.attrs["lost_clips"] == {"fold1/00002": "sadness"}
    assert select_split(table, "fold1/test", root).attrs["lost_clips"] == {"test/00002": "sadness"}
    assert select_split(table, "fold2/test", root).attrs["lost_clips"] == {"train/00002": "sadness"}


def test_frames_without_a_face_are_counted_and_left_out(tmp_path: Path) -> None:
    root = write(tmp_path / "DFEW", FIVE)
    frame = root / "Clip/clip_224x224/00003/00002.jpg"
    frame.rename(frame.with_name("00002_noface.jpg"))
    table = read("dfew", root)
    assert table.loc[table["clip"] == "00003", "frame"].tolist() == [0, *range(2, 16)]


def test_short_clips_and_folders_that_no_list_names_are_told(tmp_path: Path) -> None:
    root = write(tmp_path / "DFEW", FIVE, frames=3)
    (root / "Clip/clip_224x224/00099").mkdir()
    table = read("dfew", root)
    assert len(table) == 7 * 3
    said = " ".join(table.attrs["remarks"])
    assert "7 clip(s) of fewer than 16 frames are kept" in said
    assert "1 folder(s) of clips that no list names" in said


def test_all_frames_come_before_sixteen(tmp_path: Path) -> None:
    write(tmp_path / "DFEW", FIVE, folder="clip_224x224_16f")
    table = read("dfew", write(tmp_path / "DFEW", FIVE, frames=20, folder="jpg_256"))
    assert len(table) == 7 * 20
    assert "jpg_256 is read" in " ".join(table.attrs["remarks"])


def test_folds_that_are_not_there_are_told(tmp_path: Path) -> None:
    """Their clips are trained on, and never tested."""
    root = write(tmp_path / "DFEW", FIVE)
    for fold in (2, 3, 4, 5):
        (root / LISTS / "test(single-labeled)" / f"set_{fold}.csv").unlink()
    table = read("dfew", root)
    assert set(table["split"]) == {"fold1", "train"}
    assert "test lists of 5 folds expected, found: 1" in " ".join(table.attrs["remarks"])
    with pytest.raises(DataError, match="fold2/test"):
        select_split(table, "fold2/test", root)


def test_lists_of_folds_that_disagree_are_told(tmp_path: Path) -> None:
    root = write(tmp_path / "DFEW", FIVE)
    train = root / LISTS / "train(single-labeled)/set_1.csv"
    train.write_text("\n".join([HEADER, "3,3", "4,4"]))
    said = " ".join(read("dfew", root).attrs["remarks"])
    assert "training list of fold 1 leaves out 3 clip(s)" in said


def _in_two_tests(root: Path) -> None:
    (root / LISTS / "test(single-labeled)/set_2.csv").write_text(f"{HEADER}\n3,3\n1,1")


def _trained_and_tested(root: Path) -> None:
    (root / LISTS / "train(single-labeled)/set_3.csv").write_text(f"{HEADER}\n1,1\n4,4")


def _two_classes(root: Path) -> None:
    (root / LISTS / "train(single-labeled)/set_5.csv").write_text(f"{HEADER}\n1,5")


def _from_zero(root: Path) -> None:
    (root / LISTS / "test(single-labeled)/set_1.csv").write_text(f"{HEADER}\n1,0")


def _no_header(root: Path) -> None:
    (root / LISTS / "test(single-labeled)/set_1.csv").write_text("1,1\n2,2")


def _cut_off(root: Path) -> None:
    (root / LISTS / "test(single-labeled)/set_1.csv").write_text(f"{HEADER}\n1,1\n2")


def _empty(root: Path) -> None:
    (root / LISTS / "test(single-labeled)/set_1.csv").write_text("")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_in_two_tests, r"set_2.csv, line 3: the clip 00001 is tested by fold 1 too .*line 2"),
        (_trained_and_tested, r"train.*set_3.csv, line 3: the clip 00004 is in the test list"),
        (_two_classes, r"set_5.csv, line 2: the clip 00001 is 5, but 1 in .*set_1.csv, line 2"),
        (_from_zero, r"set_1.csv, line 2: the label '0' is none .* from 1: 1 happiness, 2 sadness"),
        (_no_header, r"set_1.csv, line 1: expected the columns video_name,label"),
        (_cut_off, r"set_1.csv, line 3: '2' is not a line of the list"),
        (_empty, r"set_1.csv is empty"),
    ],
)
def test_wrong_lists_are_one_line(tmp_path: Path, spoil: Callable[[Path], None], told: str) -> None:
    root = write(tmp_path / "DFEW", FIVE)
    spoil(root)
    with pytest.raises(DataError, match=told):
        read("dfew", root)


def test_videos_in_the_place_of_frames_say_how_to_extract(tmp_path: Path) -> None:
    """With the folder that the frames are then read from."""
    root = write(tmp_path / "DFEW", FIVE)
    for place in (root / "Clip/clip_224x224").iterdir():
        for frame in place.iterdir():
            frame.unlink()
        place.rmdir()
    (root / "Clip/clip_224x224").rmdir()
    videos = root / "Clip/original"
    videos.mkdir()
    (videos / "1.mp4").touch()
    line = rf"fewshot_fer.prepare videos={videos} out={root / 'Clip/clip_224x224'}"
    with pytest.raises(DataError, match=line):
        read("dfew", tmp_path)


def test_another_layout_is_not_dfew(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    with pytest.raises(DataError, match=r"dfew not found .*EmoLabel_DataSplit.*found happy"):
        read("dfew", tmp_path)


def test_lists_without_clips_are_one_line(tmp_path: Path) -> None:
    root = write(tmp_path / "DFEW", FIVE)
    (root / "Clip").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"dfew not found .*clip_224x224/00001"):
        read("dfew", root)


def test_order_of_rows_is_that_of_paths(tmp_path: Path) -> None:
    table: pd.DataFrame = read("dfew", write(tmp_path / "DFEW", FIVE))
    assert table["path"].is_monotonic_increasing
