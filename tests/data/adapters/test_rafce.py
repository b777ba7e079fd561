"""RAF-CE: ids of its own order, and splits that are known by their counts."""

from pathlib import Path

import pytest
from conftest import touch
from layouts import read, write_layout

from fewshot_fer.data.labels import COMPOUND
from fewshot_fer.system.errors import DataError

CLASSES = [
    "happily surprised",
    "happily disgusted",
    "sadly fearful",
    "sadly angry",
    "sadly surprised",
    "sadly disgusted",
    "fearfully angry",
    "fearfully surprised",
    "fearfully disgusted",
    "angrily surprised",
    "angrily disgusted",
    "disgustedly surprised",
    "happily fearful",
    "happily sad",
]
PUBLISHED = {10: 194, 5: 178, 0: 126, 7: 113, 13: 8, 8: 6, 12: 1}  # of the test split


def write_lists(root: Path, ids: list[int], parts: list[int], images: str = "aligned") -> None:
    """Write RAF-CE with images of these ids in these parts."""
    names = [f"{number:04}" for number in range(1, len(ids) + 1)]
    touch(*(root / images / f"{name}_aligned.jpg" for name in names))
    for file, column in (("emolabel", ids), ("partition", parts)):
        lines = [f"{name}.jpg {value}\n" for name, value in zip(names, column, strict=True)]
        (root / f"RAFCE_{file}.txt").write_text("".join(lines))
    (root / "RAFCE_AUlabel.txt").write_text(f"{names[0]}.jpg null\n")


def labels(table: object) -> dict[str, str]:
    """Return the class of each image."""
    columns = zip(table["path"], table["label"], strict=True)  # type: ignore[index]
    return {Path(path).name[:4]: label for path, label in columns}


def test_classes_count_from_zero_in_an_order_of_their_own(tmp_path: Path) -> None:
    """14 classes, of which 9 is what RAF-DB calls 9 counted from 1, and 8 is not in RAF-DB."""
    write_lists(tmp_path / "RAF-CE", [*range(14)], [0] * 14)
    found = labels(read("rafce", tmp_path))
    assert found == {f"{number + 1:04}": label for number, label in enumerate(CLASSES)}
    assert len(set(CLASSES) - set(COMPOUND)) == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_splits_are_known_by_the_published_counts(
    tmp_path: Path, order: tuple[int, int, int]
) -> None:
    """Programs disagree on the numbers: test is the part with the published counts, whatever its
    number, train the larger one of the others."""
    train, test, val = order
    test_ids = [label for label, count in PUBLISHED.items() for _ in range(count)] + [1] * 7
    ids = [*test_ids, *([3] * 900), *([4] * 50)]
    parts = [test] * len(test_ids) + [train] * 900 + [val] * 50
    write_lists(tmp_path / "RAF-CE", ids, parts)
    table = read("rafce", tmp_path)
    assert table["split"].value_counts().to_dict() == {
        "test": len(test_ids),
        "train": 900,
        "val": 50,
    }
    assert set(table.loc[table["split"] == "train", "label"]) == {"sadly angry"}
    assert "which are the published ones" in table.attrs["remarks"][0]


def test_splits_are_assumed_aloud(tmp_path: Path) -> None:
    """Where the counts tell nothing, what is assumed is said: runs and `check` print remarks."""
    write_lists(tmp_path / "RAF-CE", [0, 1, 2], [0, 1, 2])
    table = read("rafce", tmp_path)
    assert table.set_index("label")["split"].to_dict() == {
        "happily surprised": "train",
        "happily disgusted": "test",
        "sadly fearful": "val",
    }
    assert "0 is train, 1 is test, 2 is val: assumed" in table.attrs["remarks"][0]


@pytest.mark.parametrize("images", ["aligned", "aligned/aligned", "Image/aligned"])
def test_folders_of_images(tmp_path: Path, images: str) -> None:
    """Also as archives unpack them, or as RAF-DB has them."""
    write_lists(tmp_path / "RAFCE", [5, 6], [0, 1], images)
    assert labels(read("rafce", tmp_path)) == {"0001": "sadly disgusted", "0002": "fearfully angry"}


def test_lists_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """The annotation is an archive of its own."""
    root = tmp_path / "RAF-CE"
    write_lists(root, [5, 6], [0, 1])
    (root / "RAF-CE_Annotation").mkdir()
    for file in root.glob("*.txt"):
        file.rename(root / "RAF-CE_Annotation" / file.name)
    assert len(read("rafce", tmp_path)) == 2


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("emolabel", "0002.jpg 14", r"line 2: '0002\.jpg 14' is not a name and an id 0\.\.13"),
        ("emolabel", "0002.jpg", r"line 2: '0002\.jpg' is not"),
        ("emolabel", "0001.jpg 3", "line 2: 0001 was listed on line 1 too"),
        ("emolabel", "../0002.jpg 3", "line 2"),
        ("partition", "0002.jpg 3", r"line 2: .* 0\.\.2"),
        ("partition", "0003.jpg 1", r"no line for 1 of the 2 images .* 0002, on line 2"),
        ("emolabel", "0009.jpg 1", r"no line for 1 of the 2 images .* 0009"),
    ],
)
def test_wrong_lines(tmp_path: Path, file: str, line: str, named: str) -> None:
    """File, line and what was expected are named."""
    write_lists(tmp_path / "RAF-CE", [5, 6], [0, 1])
    path = tmp_path / f"RAF-CE/RAFCE_{file}.txt"
    path.write_text(path.read_text().splitlines()[0] + f"\n{line}\n")
    with pytest.raises(DataError, match=named):
        read("rafce", tmp_path)


def test_missing_halves(tmp_path: Path) -> None:
    """Images, partition, one image: each is named where it is missing."""
    root = tmp_path / "RAF-CE"
    write_lists(root, [5, 6], [0, 1])
    (root / "aligned/0002_aligned.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of the 2 images .* 0002_aligned\.jpg"):
        read("rafce", tmp_path)
    (root / "aligned").rename(root / "pictures")
    with pytest.raises(DataError, match=r"no images beside it: expected .*0001_aligned\.jpg"):
        read("rafce", tmp_path)
    (root / "RAFCE_partition.txt").unlink()
    with pytest.raises(DataError, match=r"has no RAFCE_partition\.txt beside it"):
        read("rafce", tmp_path)
    (root / "RAFCE_emolabel.txt").write_text("\n")
    with pytest.raises(DataError, match=r"RAFCE_partition\.txt"):
        read("rafce", tmp_path)


def test_layout_has_every_class_in_train_and_test(tmp_path: Path) -> None:
    """Enough of each for five shots and a query, and for supports from train."""
    write_layout("rafce", tmp_path)
    sizes = read("rafce", tmp_path).groupby(["split", "label"]).size()
    assert sizes["train"].tolist() == sizes["test"].tolist() == [6] * 14
    assert sizes["val"].tolist() == [1] * 14
