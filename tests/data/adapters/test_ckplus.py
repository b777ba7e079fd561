"""CK+: which frames of a sequence count, and as what; most sequences have no label."""

from pathlib import Path

import pytest
from conftest import touch
from layouts import read, write_layout

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.system.errors import DataError


def write_sequence(
    root: Path, clip: str, n_frames: int, label: str | None = None, first: int = 1
) -> None:
    """Write a sequence S005/001 of so many frames; its label file names the last one."""
    name = clip.replace("/", "_")
    touch(
        *(root / f"cohn-kanade-images/{clip}/{name}_{n:08}.png" for n in range(first, n_frames + 1))
    )
    folder = root / "Emotion" / clip
    folder.mkdir(parents=True, exist_ok=True)
    if label is not None:
        (folder / f"{name}_{n_frames:08}_emotion.txt").write_text(label)


def places(table: object, clip: str) -> dict[int, str]:
    """Return the place of each frame of a sequence that counts, and its class."""
    own = table[table["clip"].str.startswith(clip)]  # type: ignore[index]
    return dict(zip(own["frame"], own["label"], strict=True))


@pytest.mark.parametrize("root", ["CK+", "ck+", "CK+/CK+", "."])
def test_first_and_last_frames_of_labelled_sequences(tmp_path: Path, root: str) -> None:
    """The first frame is neutral, the last three have the class of the file, in numerical order;
    a sequence without a label, or with an empty folder for it, is left out."""
    data = tmp_path / root
    write_sequence(data, "S005/001", 11, "   3.0000000e+00\n")
    write_sequence(data, "S010/002", 14, "   7.0000000e+00")
    write_sequence(data, "S010/003", 9)
    touch(data / "cohn-kanade-images/S011/001/S011_001_00000001.png")
    touch(data / "cohn-kanade-images/S010/002/.DS_Store", data / "cohn-kanade-images/.DS_Store")
    table = read("ckplus", tmp_path)
    assert places(table, "S005/001") == {0: "neutral", 8: "disgust", 9: "disgust", 10: "disgust"}
    assert places(table, "S010/002") == {0: "neutral", **dict.fromkeys((11, 12, 13), "surprise")}
    assert len(table) == 8
    assert set(table["group"]) == {"S005", "S010"}
    # A clip has one class: the neutral frame is one of its own.
    assert set(table["clip"]) == {
        c + end for c in ("S005/001", "S010/002") for end in ("", "/neutral")
    }
    assert table.attrs["remarks"] == []


def test_every_label(tmp_path: Path) -> None:
    """The numbers are CK+'s own: contempt is 2, where others have disgust."""
    names = ["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
    for number in range(1, 8):
        write_sequence(tmp_path / "CK+", f"S{number:03}/001", 5, f"   {number:.7e}\n")
    table = read("ckplus", tmp_path)
    apex = table[table["label"] != "neutral"].drop_duplicates("group")
    assert apex["label"].tolist() == names


def test_published_counts() -> None:
    """327 labelled sequences; neutral frames are none of them."""
    adapter = find_adapter("ckplus")
    assert (adapter.unit, adapter.n_images) == ("clips", None)
    assert sum(adapter.counts["all"].values()) == 327
    assert adapter.counts["all"]["contempt"] == 18


def test_damaged_sequences(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Frames are never given a class that they need not show: where the end is missing there is no
    apex, where the beginning is missing no neutral face."""
    data = tmp_path / "CK+"
    write_sequence(data, "S001/001", 20, "1.0000000e+00")
    write_sequence(data, "S002/001", 20, "1.0000000e+00")
    write_sequence(data, "S003/001", 20, "1.0000000e+00", first=15)
    write_sequence(data, "S004/001", 2, "1.0000000e+00")
    images = data / "cohn-kanade-images"
    for number in range(12, 21):
        (images / f"S001/001/S001_001_{number:08}.png").unlink()
    (images / "S002/001/S002_001_00000020.png").unlink()
    (data / "Emotion/S006/001").mkdir(parents=True)
    (data / "Emotion/S006/001/S006_001_00000009_emotion.txt").write_text("5.0000000e+00")
    table = read("ckplus", tmp_path)
    assert table.attrs["lost_clips"] == {"S001/001": "anger", "S006/001": "happiness"}
    assert "2 sequences" in caplog.text
    assert places(table, "S002/001") == {0: "neutral", 17: "anger", 18: "anger"}
    assert set(places(table, "S003/001").values()) == {"anger"}
    assert places(table, "S004/001") == {0: "neutral", 1: "anger"}
    assert "no neutral frame of 1 sequence(s)" in table.attrs["remarks"][0]


@pytest.mark.parametrize("content", ["", "happy", "0.0000000e+00", "8.0000000e+00", "3.5", "nan"])
def test_label_files_without_a_class(tmp_path: Path, content: str) -> None:
    """The file and its content are named, and all numbers there are."""
    write_sequence(tmp_path / "CK+", "S005/001", 5, content)
    with pytest.raises(DataError, match=r"S005_001_00000005_emotion\.txt: .*2 contempt") as error:
        read("ckplus", tmp_path)
    assert repr(content) in str(error.value)


def test_archives_in_folders_of_their_own(tmp_path: Path) -> None:
    """As the two archives unpack, and beside a second copy that is the images alone."""
    root, inner = tmp_path / "CK+", ("cohn-kanade-images", "Emotion")
    write_sequence(root, "S005/001", 5, "1.0")
    write_sequence(tmp_path / "CK", "S005/001", 5, "1.0")
    (tmp_path / "CK/Emotion").rename(tmp_path / "CK/aside")
    for name, outer in zip(inner, ("extended-cohn-kanade-images", "Emotion_labels"), strict=True):
        (root / outer).mkdir()
        (root / name).rename(root / outer / name)
    assert len(read("ckplus", tmp_path)) == len(read("ckplus", root)) == 4
    (tmp_path / "CK/aside").rename(tmp_path / "CK/Emotion")
    assert len(read("ckplus", tmp_path / "CK/Emotion")) == 4


def test_images_without_labels(tmp_path: Path) -> None:
    """Where only the images were unpacked, the missing half is named; labels alone as well."""
    write_sequence(tmp_path / "CK+", "S005/001", 5, "1.0")
    (tmp_path / "CK+/Emotion").rename(tmp_path / "CK+/labels")
    with pytest.raises(DataError, match=r"has no labels beside it: expected .*Emotion/S005"):
        read("ckplus", tmp_path / "CK+/cohn-kanade-images")
    (tmp_path / "CK+/labels").rename(tmp_path / "CK+/Emotion")
    (tmp_path / "CK+/cohn-kanade-images").rename(tmp_path / "images")
    with pytest.raises(DataError, match="ckplus not found"):
        read("ckplus", tmp_path)


@pytest.mark.parametrize("root", ["CK+48", "CK+48/CK+48", "ckplus/CK+48", "my copy"])
def test_ck48(tmp_path: Path, root: str) -> None:
    """Three frames a sequence under the class's name: one clip, and the subject from the name."""
    names = {"happy": "S010_006_000000{}.png", "contempt": "S138_008_000000{}.png"}
    for of_class, name in names.items():
        touch(*(tmp_path / root / of_class / name.format(number) for number in (13, 14, 15)))
    table = read("ckplus", tmp_path / root if root == "my copy" else tmp_path)
    assert table.groupby(["label", "group", "clip"]).size().to_dict() == {
        ("contempt", "S138", "S138/008"): 3,
        ("happiness", "S010", "S010/006"): 3,
    }
    assert table.groupby("group")["split"].unique().map(list).to_dict() == {
        "S010": ["fold1"],
        "S138": ["fold2"],
    }
    assert table["frame"].tolist() == [13, 14, 15] * 2


def test_ck48_in_no_class(tmp_path: Path) -> None:
    """Frames of CK+ in folders that are no classes tell nothing."""
    touch(tmp_path / "CK+48/train/S010_006_00000013.png")
    with pytest.raises(DataError, match=r"CK\+48/train is not a class of CK\+48"):
        read("ckplus", tmp_path)


def test_folds_are_by_subject_in_order(tmp_path: Path) -> None:
    """Ten folds, the eleventh subject in the first one again; unlabelled subjects do not count."""
    for number in range(1, 12):
        write_sequence(tmp_path / "CK+", f"S{number * 7:03}/001", 5, "4.0")
    write_sequence(tmp_path / "CK+", "S001/001", 5)
    table = read("ckplus", tmp_path).drop_duplicates("group")
    assert table["split"].tolist() == [*(f"fold{n}" for n in range(1, 11)), "fold1"]


def test_layout_has_sequences_without_label(tmp_path: Path) -> None:
    """As the published set has; the number in a label file is written as there."""
    folder = write_layout("ckplus", tmp_path)
    labels = list((folder / "Emotion").glob("*/*/*_emotion.txt"))
    sequences = list((folder / "cohn-kanade-images").glob("*/*"))
    assert (len(labels), len(sequences)) == (6 * 7, 6 * 7 + 1)
    assert "   3.0000000e+00\n" in {label.read_text() for label in labels}
