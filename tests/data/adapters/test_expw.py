"""ExpW: faces are boxes of photographs, and those of one photograph stay together."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import write_layout
from PIL import Image

from fewshot_fer.data.adapters.expw import COUNTS, read_expw
from fewshot_fer.data.decode import read_picture
from fewshot_fer.system.errors import DataError

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
LINE = "a.jpg 0 10 20 50 40 22.9 3"  # top 10, left 20, right 50, bottom 40


def write_photographs(root: Path, lines: list[str], names: tuple[str, ...] = ("a.jpg",)) -> Path:
    """Write a list and photographs of 60x45, blue but for what the box of LINE holds."""
    (root / "image/origin").mkdir(parents=True)
    (root / "label").mkdir()
    photograph = Image.new("RGB", (60, 45), (0, 0, 255))
    photograph.paste((255, 0, 0), (20, 10, 50, 40))
    for name in names:
        photograph.save(root / "image/origin" / name, format="png")
    file = root / "label/label.lst"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_the_published_count() -> None:
    """91,793 faces."""
    assert sum(COUNTS.values()) == 91793


def test_the_embedded_layout(tmp_path: Path) -> None:
    """Each face is its box; a photograph of two is one group; the line that repeats counts once."""
    home = write_layout("expw", tmp_path, people=2)
    table = read_expw(tmp_path)
    assert table.groupby("label").size().to_dict() == dict.fromkeys(CLASSES, 3)
    assert sorted(table.groupby("group").size().unique()) == [1, 2]
    assert table["group"].nunique() == len(list((home / "image/origin").iterdir())) == 14
    assert all(read_picture(path).shape == (100, 100, 3) for path in table["path"])
    assert table.attrs["remarks"] == ["expw: 1 row(s) repeat a face and count once"]
    assert table.groupby("group")["split"].nunique().max() == 1
    assert {*table["split"]} == {f"fold{number}" for number in range(1, 6)}


def test_the_box_is_top_left_right_bottom(tmp_path: Path) -> None:
    """In that order: the very pixels within, and nothing beside them."""
    write_photographs(tmp_path, [LINE])
    face = read_picture(read_expw(tmp_path)["path"].item())
    assert face.shape == (30, 30, 3)
    assert (face == (255, 0, 0)).all()


def test_boxes_that_lead_out_of_the_photograph(tmp_path: Path) -> None:
    """End at its edges; one without a pixel is left out with a remark."""
    lines = ["a.jpg 0 -5 -10 70 60 9.1 1", "a.jpg 1 10 20 20 40 9.1 2"]
    write_photographs(tmp_path, lines)
    table = read_expw(tmp_path)
    assert read_picture(table["path"].item()).shape == (45, 60, 3)
    assert "1 box(es) without a pixel left out, line 2 first" in table.attrs["remarks"][0]


def test_repeated_faces(tmp_path: Path) -> None:
    """The key is photograph and box: not the face's number; two labels of a face are none."""
    lines = [LINE, LINE.replace(" 0 ", " 1 "), LINE.replace("a.jpg", "b.jpg")]
    lines += ["b.jpg 1 0 0 9 9 9.9 1", "b.jpg 2 0 0 9 9 9.9 2"]
    write_photographs(tmp_path, lines, ("a.jpg", "b.jpg"))
    table = read_expw(tmp_path)
    assert table["group"].tolist() == ["a.jpg", "b.jpg"]
    assert table["label"].tolist() == ["happiness"] * 2
    assert "2 row(s) repeat a face" in table.attrs["remarks"][0]
    assert "1 face(s) with two labels" in table.attrs["remarks"][1]


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20
)
@given(
    seed=st.integers(0, 1000),
    upper=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    images=st.sampled_from(["image/origin", "data/image/origin", "origin", "Image/Origin"]),
    within=st.sampled_from(["ExpW", "expw/ExpW", "."]),
)
def test_lists_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    upper: bool,
    end: str,
    bom: bool,
    images: str,
    within: str,
) -> None:
    """Of lines, names in any case, other files, and folders as people unpack them."""
    root = tmp_path_factory.mktemp("data")
    lines = [f"happy boy_{n}.jpg {n % 2} {n} 1 30 40 9.5 {n % 7}" for n in range(14)]
    random.Random(seed).shuffle(lines)
    folder = root / within / images
    folder.mkdir(parents=True)
    for n in range(14):
        (folder / (f"Happy Boy_{n}.JPG" if upper else f"happy boy_{n}.jpg")).touch()
    (folder / "Thumbs.db").touch()
    (folder / "unlisted.jpg").touch()
    (root / within / "label").mkdir()
    text = end.join([*lines, "", ""]).replace(" 9.5 ", "\t9.5 ")
    file = root / within / "label" / ("LABEL.LST" if upper else "label.lst")
    file.write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    table = read_expw(root)
    found = dict(zip(table["group"], table["label"], strict=True))
    assert found == {f"happy boy_{n}.jpg": CLASSES[n % 7] for n in range(14)}
    ends = {path.rpartition("=")[2] for path in table["path"]}
    assert ends == {f"1,{n},29,{40 - n}" for n in range(14)}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([LINE, "a.jpg 0 10 20 50 40 22.9 7"], r"label\.lst, line 2: .* class 0\.\.6"),
        ([LINE, "a.jpg 0 10 20 50 40"], "line 2: .* not a line of ExpW"),
        (["a.jpg 0 10 x 50 40 22.9 3"], "line 1: "),
        (["../a.jpg 0 10 20 50 40 22.9 3"], "line 1: "),
        ([LINE, LINE.replace("a.jpg", "gone.jpg")], r"1 of the 2 faces .* gone\.jpg, on line 2"),
        ([], "lists no face"),
    ],
)
def test_damaged_lists_are_one_line(tmp_path: Path, lines: list[str], said: str) -> None:
    """That names file and line."""
    write_photographs(tmp_path, lines)
    with pytest.raises(DataError, match=said) as error:
        read_expw(tmp_path)
    assert "\n" not in str(error.value)


def test_half_a_copy_is_not_found(tmp_path: Path) -> None:
    """The error shows what lies where the list, or the photographs, are."""
    (tmp_path / "ExpW/image/origin").mkdir(parents=True)
    with pytest.raises(DataError, match=r"expw not found .*label/label\.lst"):
        read_expw(tmp_path)
