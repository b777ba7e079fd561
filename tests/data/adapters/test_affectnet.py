"""AffectNet: re-packed, by the lists of its release, and in class folders, whatever their order."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import write_layout
from PIL import Image

from fewshot_fer.data.adapters.affectnet import COUNTS, read_affectnet
from fewshot_fer.data.decode import read_picture
from fewshot_fer.system.errors import DataError

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
HEADER = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
    *("facial_landmarks", "expression", "valence", "arousal"),
)


def test_the_published_counts() -> None:
    """287,568 and 4,000 pictures of eight classes, 283,901 and 3,500 of seven."""
    totals = [sum(counts.values()) for counts in COUNTS.values()]
    assert totals == [287568, 4000]
    without = [sum(n for name, n in c.items() if name != "contempt") for c in COUNTS.values()]
    assert without == [283901, 3500]


def test_the_embedded_layout(tmp_path: Path) -> None:
    """The class of a picture is the id in its file; the files are 0-d arrays of text."""
    home = write_layout("affectnet", tmp_path, people=2)
    table = read_affectnet(tmp_path)
    assert table.groupby(["split", "label"]).size().to_dict() == {
        (split, name): 2 for split in ("train", "val") for name in CLASSES
    }
    for path, label in zip(table["path"], table["label"], strict=True):
        exp = np.load(f"{path[:-4].replace('images', 'annotations')}_exp.npy", allow_pickle=False)
        assert exp.shape == ()
        assert exp.dtype.kind == "U"
        assert CLASSES[int(exp)] == label
    assert read_affectnet(home).equals(table)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20
)
@given(
    ids=st.lists(st.integers(0, 10), min_size=2, max_size=12).filter(lambda ids: min(ids) < 8),
    kind=st.sampled_from([str, int, float, np.uint8]),
    shape=st.sampled_from([(), (1,)]),
    root=st.sampled_from(["AffectNet", "affectnet/AFFECTNET", "."]),
    upper=st.booleans(),
)
def test_annotations(
    tmp_path_factory: pytest.TempPathFactory,
    ids: list[int],
    kind: Callable[[int], object],
    shape: tuple[int, ...],
    root: str,
    upper: bool,
) -> None:
    """As text or number; 8, 9 and 10 are no expressions; other files and cases do not count."""
    data = tmp_path_factory.mktemp("data")
    names = (
        ("TRAIN_SET", "Images", "Annotations") if upper else ("train_set", "images", "annotations")
    )
    images, annotations = (data / root / names[0] / name for name in names[1:])
    for folder in (images, annotations):
        folder.mkdir(parents=True)
        (folder / "Thumbs.db").touch()
    for number, expression in enumerate(ids):
        (images / f"{number}.{'JPG' if upper else 'jpg'}").touch()
        np.save(annotations / f"{number}_exp.npy", np.array(kind(expression)).reshape(shape))
        np.save(annotations / f"{number}_val.npy", np.array("0.5"))
    table = read_affectnet(data)
    found = {Path(p).stem: label for p, label in zip(table["path"], table["label"], strict=True)}
    assert found == {str(n): CLASSES[each] for n, each in enumerate(ids) if each < 8}
    left = sum(each > 7 for each in ids)
    assert [r for r in table.attrs["remarks"] if "ids 8..10" in r] == (
        [f"affectnet: {left} picture(s) without an expression (ids 8..10) left out"] if left else []
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.array("happy"), "no array of one id 0..10"),
        (np.array(11), "found 11"),
        (np.array([1, 2]), "no array of one id"),
        (np.array([{}], dtype=object), "no plain array"),
        (None, "no array of one id"),
    ],
)
def test_a_damaged_annotation_is_one_line(
    tmp_path: Path, content: np.ndarray | None, said: str
) -> None:
    """That names the file; nothing is ever unpickled."""
    home = write_layout("affectnet", tmp_path, people=1)
    file = home / "val_set/annotations/3_exp.npy"
    file.write_bytes(b"")
    if content is not None:
        np.save(file, content, allow_pickle=True)
    with pytest.raises(DataError, match=rf"3_exp\.npy.*{said}") as error:
        read_affectnet(tmp_path)
    assert "\n" not in str(error.value)


def test_a_picture_without_annotation(tmp_path: Path) -> None:
    """Is an error, an annotation without a picture a remark; one split alone will do."""
    home = write_layout("affectnet", tmp_path, people=1)
    shutil.rmtree(home / "train_set")
    (home / "val_set/images/5.jpg").unlink()
    table = read_affectnet(tmp_path)
    assert table["split"].unique().tolist() == ["val"]
    assert "1 annotation(s) of pictures that are not there" in table.attrs["remarks"][0]
    (home / "val_set/annotations/6_exp.npy").unlink()
    with pytest.raises(DataError, match=r"1 of the 7 pictures .* have no annotation: .*6_exp\.npy"):
        read_affectnet(tmp_path)


def test_a_split_without_annotations(tmp_path: Path) -> None:
    """Is half a copy, whatever the other split has."""
    home = write_layout("affectnet", tmp_path, people=1)
    shutil.rmtree(home / "train_set/annotations")
    with pytest.raises(DataError, match=r"train_set has no annotations beside images \(images\)"):
        read_affectnet(tmp_path)


def write_release(
    root: Path, rows: list[list[object]], name: str = "training.csv", header: bool = True
) -> Path:
    """Write a list as released, and the photographs that it names, 60x40."""
    file = root / "Manually_Annotated_file_lists" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *rows] if header else rows)
    for row in rows:
        picture = root / "Manually_Annotated_Images" / str(row[0])
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40), (20, 40, 60)).save(picture, format="png")
    return file


def row_of(
    name: str, expression: object, box: tuple[object, ...] = (5, 10, 20, 25)
) -> list[object]:
    return [name, *box, "1.5;2;3;4", expression, 0.1, -2]


@pytest.mark.parametrize("header", [True, False])
def test_the_lists_of_the_release(tmp_path: Path, header: bool) -> None:
    """Ids 8 to 10 left out, boxes cut, one damaged row left out, the split by the list's name."""
    rows = [row_of(f"{n % 3}/{n}.jpg", n) for n in range(11)]
    rows.insert(4, row_of("2/damaged.jpg", "NULL"))
    write_release(tmp_path / "AffectNet", rows, header=header)
    write_release(tmp_path / "AffectNet", [row_of("9/a.PNG", 7, (-4, 3, 30, 50))], "validation.csv")
    table = read_affectnet(tmp_path)
    train = table[table["split"] == "train"]
    by_number = {
        Path(p.partition("#")[0]).stem: label for p, label in train[["path", "label"]].to_numpy()
    }
    assert by_number == {str(number): name for number, name in enumerate(CLASSES)}
    assert train["path"].str.endswith("#xywh=5,10,20,25").all()
    assert read_picture(train["path"].iloc[0]).shape == (25, 20, 3)
    val = table[table["split"] == "val"]
    assert read_picture(val["path"].item()).shape == (37, 26, 3)  # within the photograph
    remarks = " ".join(table.attrs["remarks"])
    assert "3 face(s) without an expression" in remarks
    assert f"1 damaged line(s) left out, line {6 if header else 5} first" in remarks


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15
)
@given(order=st.permutations(range(9)), columns=st.permutations(range(9)), upper=st.booleans())
def test_lists_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], columns: list[int], upper: bool
) -> None:
    """Of rows and columns, with other columns among them, and photographs in the other case."""
    root = tmp_path_factory.mktemp("data")
    rows = [row_of(f"{n % 3}/{n}.jpg", n % 8) for n in range(9)]
    write_release(root, rows)
    before = read_affectnet(root)
    mixed = [HEADER, *(rows[place] for place in order)]
    with (root / "Manually_Annotated_file_lists/training.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([row[place] for place in columns] for row in mixed)
    for picture in [*root.glob("Manually_Annotated_Images/*/*")] * upper:
        picture.rename(picture.with_suffix(".JPG"))
    after = read_affectnet(root)
    assert after["path"].str.replace(".JPG", ".jpg").tolist() == before["path"].tolist()
    assert after["label"].tolist() == before["label"].tolist()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row_of("1/a.jpg", "x"), row_of("1/b.jpg", 1, ("", 1, 2, 3)), row_of("1/c.jpg", 1)],
         r"training\.csv: 2 of 3 lines are damaged, line 2 first"),
        ([row_of("1/a.jpg", 1, (5, 5, 0, 9)), row_of("1/b.jpg", 11)], "2 of 2 lines are damaged"),
        ([row_of("1/a.jpg", 1), row_of("1/gone.jpg", 2)], r"1 of the 2 photographs .*line 3"),
        ([row_of("5/a.jpg", 1), row_of("5/gone.jpg", 2)], r"5/gone\.jpg, on line 3"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit_are_one_line(
    tmp_path: Path, rows: list[list[object]], said: str
) -> None:
    """One damaged row is the release's; several, and photographs that are not there, are not."""
    write_release(tmp_path, rows)
    for picture in tmp_path.glob("Manually_Annotated_Images/*/gone.jpg"):
        picture.unlink()
    with pytest.raises(DataError, match=said) as error:
        read_affectnet(tmp_path)
    assert "\n" not in str(error.value)


def test_a_face_that_is_listed_twice(tmp_path: Path) -> None:
    """Counts once; with two labels it has none."""
    rows = [row_of("1/a.jpg", 1), row_of("1/a.jpg", 1), row_of("1/b.jpg", 1), row_of("1/b.jpg", 2)]
    write_release(tmp_path, [*rows, row_of("1/b.jpg", 3, (0, 0, 9, 9))])
    table = read_affectnet(tmp_path)
    assert table["label"].tolist() == ["happiness", "surprise"]
    assert any("2 row(s) repeat a face" in remark for remark in table.attrs["remarks"])
    assert any("1 face(s) with two labels" in remark for remark in table.attrs["remarks"])


def test_check_compares_the_seven_classes(command: Command, tmp_path: Path) -> None:
    """With the counts of these alone: contempt is neither there nor missed."""
    write_layout("affectnet", tmp_path, people=2)
    outcome = command("check", "dataset=affectnet7", "eval=affectnet7", f"paths.data={tmp_path}")
    assert "contempt" not in outcome.out
    assert "28 images, officially 287401" in outcome.out
