"""FERV39k: clips by scene, class and number, whose numbers repeat; labels by name alone."""

from pathlib import Path

import pytest
from layouts import read, write_layout

from fewshot_fer.data.adapters.ferv39k import COUNTS
from fewshot_fer.system.errors import DataError

FRAMES = "2_ClipsforFaceCrop"
TRAIN = ("Action/Happy/0267 Happy", "Crime/Happy/0267 Happy", "Action/Sad/0267 Sad")
TEST = ("Action/Happy/0001 Happy", "Crime/Angry/0267 Angry")


def write(root: Path, train: tuple[str, ...] = TRAIN, test: tuple[str, ...] = TEST) -> Path:
    for line in (*TRAIN, *TEST):
        clip = root / FRAMES / line.split()[0]
        clip.mkdir(parents=True)
        for frame in range(16):
            (clip / f"{frame}.jpg").touch()
    lists = root / "4_setups/All_scenes"
    lists.mkdir(parents=True)
    (lists / "train_All.csv").write_text("\n".join(train))
    (lists / "test_All.csv").write_text("\n".join(test))
    return root


def test_the_embedded_layout(tmp_path: Path) -> None:
    write_layout("ferv39k", tmp_path)
    clips = read("ferv39k", tmp_path).drop_duplicates("clip")
    counts = clips.groupby(["split", "label"]).size()
    assert counts.to_dict() == {
        (s, label): 6 for s in ("train", "test") for label in COUNTS["test"]
    }
    numbers = clips["clip"].str.rpartition("/")[2]
    assert numbers.nunique() < len(clips)  # the layout has what makes keys of three parts needed


def test_published_counts() -> None:
    assert {split: sum(of.values()) for split, of in COUNTS.items()} == {
        "train": 31_088,
        "test": 7_847,
    }
    assert COUNTS["test"]["fear"] == 431


def test_a_clip_is_scene_class_and_number(tmp_path: Path) -> None:
    table = read("ferv39k", write(tmp_path / "FERV39k"))
    by_clip = table.groupby("clip")[["label", "split"]].first().to_dict("index")
    assert by_clip == {
        "Action/Happy/0267": {"label": "happiness", "split": "train"},
        "Crime/Happy/0267": {"label": "happiness", "split": "train"},
        "Action/Sad/0267": {"label": "sadness", "split": "train"},
        "Action/Happy/0001": {"label": "happiness", "split": "test"},
        "Crime/Angry/0267": {"label": "anger", "split": "test"},
    }
    assert (table["group"] == table["clip"]).all()
    assert table["frame"].max() == 15


@pytest.mark.parametrize("order", [(0, 1, 3), (3, 5, 0)])
def test_ids_of_copies_are_never_read(tmp_path: Path, order: tuple[int, int, int]) -> None:
    """Public lists have a path, the number of frames and an id: three orders are in the wild."""
    ids = dict(zip(("Happy", "Sad", "Angry"), order, strict=True))
    lines = [line.split() for line in TRAIN]
    train = tuple(f"/data/x/{FRAMES}/{path} 16 {ids[word]}" for path, word in lines)
    table = read("ferv39k", write(tmp_path / "FERV39k", train=train))
    assert set(table.loc[table["split"] == "train", "label"]) == {"happiness", "sadness"}


def test_lost_clips_bear_their_split(tmp_path: Path) -> None:
    root = write(tmp_path / "FERV39k", test=(*TEST, "School/Fear/0003 Fear"))
    assert read("ferv39k", root).attrs["lost_clips"] == {"test/School/Fear/0003": "fear"}


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (("Action/Happy 3",), r"test_All.csv, line 1: 'Action/Happy 3' is not a line"),
        (("Action/Happy/0001 Bored",), r"line 1: 'Bored' is not a class of FERV39k"),
        ((*TEST, TRAIN[0]), r"test_All.csv, line 3: the clip Action/Happy/0267 is in .* train too"),
        ((*TEST, "Action/Happy/0001 Sad"), r"line 3: the clip .*, but .* line 1"),
    ],
)
def test_wrong_lists_are_one_line(tmp_path: Path, test: tuple[str, ...], told: str) -> None:
    root = write(tmp_path / "FERV39k", test=test)
    if "Sad" in test[-1]:
        (root / "4_setups/All_scenes/test_All.csv").write_text("\n".join(test))
    with pytest.raises(DataError, match=told):
        read("ferv39k", root)


def test_a_split_alone_is_read_and_told(tmp_path: Path) -> None:
    root = write(tmp_path / "FERV39k")
    (root / "4_setups/All_scenes/test_All.csv").unlink()
    table = read("ferv39k", root)
    assert set(table["split"]) == {"train"}
    assert "no test_All.csv" in " ".join(table.attrs["remarks"])


def test_videos_say_how_to_extract(tmp_path: Path) -> None:
    root = write(tmp_path / "FERV39k")
    (root / FRAMES).rename(tmp_path / "aside")
    video = root / "0_7_LabelClips/Action/Happy/0267.mp4"
    video.parent.mkdir(parents=True)
    video.touch()
    line = rf"prepare videos={root / '0_7_LabelClips'} out={root / FRAMES}"
    with pytest.raises(DataError, match=line):
        read("ferv39k", root)


def test_another_layout_is_not_ferv39k(tmp_path: Path) -> None:
    (tmp_path / "FERV39k").mkdir()
    with pytest.raises(DataError, match=r"ferv39k not found .*4_setups/All_scenes/train_All.csv"):
        read("ferv39k", tmp_path)
