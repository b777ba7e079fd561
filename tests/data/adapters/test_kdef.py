"""KDEF: session, subject, expression and angle in a photograph's name."""

from itertools import product
from pathlib import Path

import pytest
from conftest import touch
from layouts import read

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.system.errors import DataError

CODES = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
ANGLES = ("FL", "HL", "S", "HR", "FR")


@pytest.mark.parametrize("place", ["KDEF_and_AKDEF/KDEF/{person}", "KDEF/{person}", "flat", "kdef"])
def test_names_tell_all(tmp_path: Path, place: str) -> None:
    """Both sessions of a person are one subject, a woman and a man of one number are two; only
    straight faces count, or all; `AFFL` is afraid from the left, not angry."""
    people = ["AF01", "BF01", "AM01", "BM35"]
    names = ["".join(parts) for parts in product(people, CODES, ANGLES)]
    touch(*(tmp_path / place.format(person=n[:4]) / f"{n}.JPG" for n in names))
    data = tmp_path / "flat" if place == "flat" else tmp_path
    table = read("kdef", data)
    assert len(table) == 4 * 7
    assert table["group"].value_counts().to_dict() == {"F01": 14, "M01": 7, "M35": 7}
    for path, label in zip(table["path"], table["label"], strict=True):
        name = Path(path).stem
        assert label == CODES[name[4:6]]
        assert name[6:] == "S"
    assert table.groupby("group")["split"].unique().map(list).to_dict() == {
        "F01": ["fold1"],
        "M01": ["fold2"],
        "M35": ["fold3"],
    }
    assert len(read("kdef_all", data)) == 4 * 7 * 5


def test_averaged_faces_are_left_out(tmp_path: Path) -> None:
    """They show nobody, and everybody: in AKDEF, or beside the others in a flat copy."""
    own, root = "AF01AFS.JPG", tmp_path / "KDEF_and_AKDEF"
    touch(root / "KDEF/AF01" / own, root / "AKDEF/AFAFS.JPG")
    assert [Path(path).name for path in read("kdef", tmp_path)["path"]] == [own]
    touch(tmp_path / "kdef" / own, tmp_path / "kdef/AFAFS.JPG", tmp_path / "kdef/AF31V.JPG")
    table = read("kdef", tmp_path / "kdef")
    assert len(table) == 1
    assert "2 pictures left out whose names are not those of kdef: AF31V.JPG" in "".join(
        table.attrs["remarks"]
    )


def test_published_counts() -> None:
    """70 people, 7 expressions, 2 sessions: 980 straight, 4,900 from five angles."""
    assert find_adapter("kdef").n_images == 980
    assert find_adapter("kdef_all").n_images == 4900


def test_profiles_alone(tmp_path: Path) -> None:
    """A copy without any straight face says how to take the others."""
    touch(tmp_path / "KDEF/AF01AFHL.JPG")
    with pytest.raises(DataError, match=r"from the side alone.*dataset=kdef_all"):
        read("kdef", tmp_path)


@pytest.mark.parametrize("name", ["AF36AFS", "AF00AFS", "CF01AFS", "AF01XXS", "AF01AFX", "AF1AFS"])
def test_names_that_are_not_kdefs(tmp_path: Path, name: str) -> None:
    """No 36th woman, no third session, no other code."""
    touch(tmp_path / f"KDEF/{name}.JPG")
    with pytest.raises(DataError, match="kdef not found"):
        read("kdef", tmp_path)
