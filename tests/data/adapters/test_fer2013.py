"""FER2013: its list of pixels and its copies in folders give the published splits and classes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import write_layout
from PIL import Image

from fewshot_fer.data.adapters.fer2013 import COUNTS, read_fer2013
from fewshot_fer.data.decode import read_picture
from fewshot_fer.system.errors import DataError

NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # ids 0..6
GREY = " ".join(["7"] * 2304)


def write_list(folder: Path, lines: list[str], header: str = "emotion,pixels,Usage") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "fer2013.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def write_picture(file: Path, side: int = 48) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), 90).save(file)


def test_the_published_counts() -> None:
    """28,709, 3,589 and 3,589; the classes add up to those of the paper, page 4."""
    assert [sum(counts.values()) for counts in COUNTS.values()] == [28709, 3589, 3589]
    total = sum((Counter(counts) for counts in COUNTS.values()), Counter())
    assert list(total.values()) == [4953, 547, 5121, 8989, 6077, 4002, 6198]


def test_the_embedded_layout(tmp_path: Path) -> None:
    """Each split has each class, and a row of the table is the picture of that row of the list."""
    home = write_layout("fer2013", tmp_path, people=2)
    table = read_fer2013(tmp_path)
    counts = table.groupby(["split", "label"]).size()
    assert len(counts) == 21
    assert counts["val"].to_dict() == {
        **dict.fromkeys(COUNTS["val"], 2),
        "neutral": 4,
        "surprise": 4,
    }
    assert (table["group"] == table["path"]).all()
    lines = (home / "fer2013.csv").read_text().splitlines()
    for path, label in table[["path", "label"]].iloc[::5].itertuples(index=False):
        emotion, pixels, _ = lines[int(path.rpartition("=")[2]) - 1].split(",")
        assert list(COUNTS["train"])[int(emotion)] == label
        levels = np.array(pixels.split(), np.uint8).reshape(48, 48)
        assert (read_picture(path)[:, :, 0] == levels).all()


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25
)
@given(
    order=st.permutations([0, 1, 2]),
    blanks=st.sampled_from(["", " "]),
    upper=st.booleans(),
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    name=st.sampled_from(["fer2013.csv", "FER2013.CSV", "icml_face_data.csv"]),
    folder=st.sampled_from(["fer2013", "FER2013/fer2013", "archive", "fer2013.csv", "."]),
)
def test_columns_in_any_order_and_spelling(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    blanks: str,
    upper: bool,
    bom: bool,
    end: str,
    name: str,
    folder: str,
) -> None:
    """As in icml_face_data.csv, with " Usage" and " pixels", among files that are none of it."""
    root = tmp_path_factory.mktemp("data")
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / "Thumbs.db").touch()
    (root / folder / "test.csv").write_text("pixels\n1 2\n")
    usages = ("Training", "PublicTest", "PrivateTest")
    rows = [("emotion", "pixels", "Usage"), *((str(n), GREY, usages[n % 3]) for n in range(7))]
    cells = [[row[place] for place in order] for row in rows]
    cells[0] = [(blanks * bool(n) + (c.upper() if upper else c)) for n, c in enumerate(cells[0])]
    text = end.join(",".join(row) for row in cells) + end + end
    (root / folder / name).write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    table = read_fer2013(root)
    assert table["label"].tolist() == list(COUNTS["train"])
    assert table["split"].tolist() == ["train", "val", "test"] * 2 + ["train"]
    assert read_picture(table["path"][6]).max() == 7


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        ([f"7,{GREY},Training"], "emotion,pixels,Usage", "line 2: emotion '7'"),
        ([f"0,{GREY},Training", f"0,{GREY},Other"], "emotion,pixels,Usage", "line 3: .*'Other'"),
        ([f"0,{GREY},Training", "0,70 80"], "emotion,pixels,Usage", "line 3: .*cut off"),
        ([f"0,{GREY},Training,1"], "emotion,pixels,Usage", "cannot be read as CSV"),
        ([f"0,{GREY}"], "emotion,pixels", "no column usage"),
        ([], "emotion,pixels,Usage", "lists no picture"),
    ],
)
def test_a_damaged_list_is_one_line(
    tmp_path: Path, lines: list[str], header: str, said: str
) -> None:
    """That names file and line: the header is line 1."""
    write_list(tmp_path, lines, header)
    with pytest.raises(DataError, match=rf"fer2013\.csv.*{said}") as error:
        read_fer2013(tmp_path)
    assert "\n" not in str(error.value)


def splits_of(table: pd.DataFrame) -> list[str]:
    return sorted(set(table["split"]))


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (("Train", "test"), ["test", "train"]),
        (("Training", "PublicTest", "PrivateTest"), ["test", "train", "val"]),
        (("train", "validation"), ["train", "val"]),
    ],
)
@pytest.mark.parametrize("names", [NAMES, tuple("0123456")])
def test_folders(
    tmp_path: Path, folders: tuple[str, ...], found: list[str], names: tuple[str, ...]
) -> None:
    """Splits and classes by name in any case, numbers being the list's ids."""
    for folder in folders:
        for name in names:
            write_picture(tmp_path / "FER-2013" / folder / name / "im0.png")
    (tmp_path / "FER-2013" / "readme.txt").touch()
    table = read_fer2013(tmp_path)
    assert splits_of(table) == found
    by_folder = {
        Path(path).parent.name: label
        for path, label in zip(table["path"], table["label"], strict=True)
    }
    assert by_folder == dict(zip(names, COUNTS["train"], strict=True))


def test_one_folder_for_both_tests(tmp_path: Path) -> None:
    """Names there tell the official split; in train they tell nothing: people mix splits anew."""
    for name in ("train/happy/PublicTest_5.jpg", "test/happy/PublicTest_1.jpg"):
        write_picture(tmp_path / name)
    write_picture(tmp_path / "test/happy/PrivateTest_2.jpg")
    table = read_fer2013(tmp_path)
    assert dict(
        zip(table["path"].map(lambda path: Path(path).name), table["split"], strict=True)
    ) == {
        "PrivateTest_2.jpg": "test",
        "PublicTest_1.jpg": "val",
        "PublicTest_5.jpg": "train",
    }
    assert "1 picture(s) PublicTest_*" in table.attrs["remarks"][0]


@pytest.mark.parametrize(
    ("name", "side", "said"),
    [
        ("train/happy/train_00001_aligned.jpg", 100, "fer2013 not found"),
        ("train/happy/S010_004_00000017.png", 48, "fer2013 not found"),
        ("train/happy/fer0000000.png", 48, "fer2013 not found"),
        ("train/contempt/1.png", 48, "not a class of FER2013"),
        ("happy/1.png", 48, "fer2013 not found"),
    ],
)
def test_other_data_sets_are_refused(tmp_path: Path, name: str, side: int, said: str) -> None:
    """RAF-DB, CK+48 and FER+ lie in folders too."""
    write_picture(tmp_path / name, side)
    with pytest.raises(DataError, match=said) as error:
        read_fer2013(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("made", ["a file", "nothing"])
def test_no_folder(tmp_path: Path, made: str) -> None:
    """Is said as such."""
    place = tmp_path / "data"
    if made == "a file":
        place.touch()
    with pytest.raises(DataError, match=r"fer2013 not found .* (a file, not a|no such) folder"):
        read_fer2013(place)
