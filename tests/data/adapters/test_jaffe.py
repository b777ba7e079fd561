"""JAFFE: all is in a photograph's name."""

from pathlib import Path

import pytest
from conftest import touch
from layouts import read, write_layout
from PIL import Image

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.splits import select_split
from fewshot_fer.system.errors import DataError

EXPECTED = {
    "KA.AN1.39.tiff": ("anger", "KA"),
    "KA.DI3.44.tiff": ("disgust", "KA"),
    "KL.FE2.175.tiff": ("fear", "KL"),
    "NM.HA1.95.tiff": ("happiness", "NM"),
    "TM.NE3.179.tiff": ("neutral", "TM"),
    "UY.SA1.146.tiff": ("sadness", "UY"),
    "YM.SU2.59.tiff": ("surprise", "YM"),
}


def test_names_tell_subject_and_class(tmp_path: Path) -> None:
    """Right classes and groups, each subject a fold of its own, in the order of their names."""
    touch(*(tmp_path / "jaffe" / name for name in EXPECTED))
    table = read("jaffe", tmp_path)
    found = zip(table["path"], table["label"], table["group"], strict=True)
    assert {Path(path).name: (label, group) for path, label, group in found} == EXPECTED
    folds = dict(zip(table["group"], table["split"], strict=True))
    assert folds == {s: f"fold{n}" for n, s in enumerate(("KA", "KL", "NM", "TM", "UY", "YM"), 1)}
    assert set(select_split(table, "fold2/train", "")["group"]) == {"KA", "NM", "TM", "UY", "YM"}


def test_published_counts() -> None:
    """213 photographs, 29 of disgust."""
    adapter = find_adapter("jaffe")
    assert adapter.n_images == 213
    assert adapter.counts["all"]["disgust"] == 29


@pytest.mark.parametrize(
    "name",
    ["{}.jpg", "{}.png", "{}.tif", "{}.tiff.jpg", "jaffedbase/jaffe/{}.tiff", "happy/{}.bmp"],
)
def test_copies(tmp_path: Path, name: str) -> None:
    """Other endings, the folders of unzips, and folders of classes, which are not needed."""
    touch(tmp_path / "jaffe" / name.format("KA.HA1.29"), tmp_path / "jaffe/README_FIRST.txt")
    table = read("jaffe", tmp_path)
    assert table[["label", "group"]].to_numpy().tolist() == [["happiness", "KA"]]


def test_the_same_photograph_twice(tmp_path: Path) -> None:
    """Converted beside the original it counts once, and strangers do not count: both are told."""
    touch(*(tmp_path / f"jaffe/{name}" for name in ("KA.AN1.39.tiff", "ka.an1.39.jpg", "me.jpg")))
    table = read("jaffe", tmp_path)
    assert len(table) == 1
    strangers, twice = table.attrs["remarks"]
    assert "me.jpg" in strangers
    assert "the same name: " in twice


def test_layout_is_jaffes(tmp_path: Path) -> None:
    """Grey TIFF of 256 pixels, as the published ones."""
    folder = write_layout("jaffe", tmp_path)
    files = sorted(folder.iterdir())
    assert len(files) == 6 * 7
    with Image.open(files[0]) as picture:
        assert (picture.format, picture.mode, picture.size) == ("TIFF", "L", (256, 256))


def test_no_jaffe(tmp_path: Path) -> None:
    """The message shows how its files are called."""
    touch(tmp_path / "jaffe/KDEF.jpg")
    with pytest.raises(DataError, match=r"jaffe not found .*KA\.AN1\.39\.tiff.*KDEF\.jpg"):
        read("jaffe", tmp_path)
