"""RaFD: camera, person, expression and gaze in a photograph's name."""

from itertools import product
from pathlib import Path

import pytest
from conftest import touch
from layouts import read

from fewshot_fer.data.adapters.rafd import GAZES, SPELLINGS
from fewshot_fer.data.labels import canonical
from fewshot_fer.system.errors import DataError

PEOPLE = ("01_Caucasian_female", "07_Caucasian_male", "07_Kid_male", "73_Moroccan_male")


@pytest.mark.parametrize("place", ["RaFD", "radboud", "flat"])
def test_names_tell_all(tmp_path: Path, place: str) -> None:
    """Only the camera in front counts; all directions of gaze are one person's; eight classes."""
    cameras = ("000", "045", "090", "135", "180")
    parts = product(cameras, PEOPLE, SPELLINGS, GAZES)
    touch(*(tmp_path / place / f"Rafd{'_'.join(each)}.jpg" for each in parts))
    table = read("rafd", tmp_path / place if place == "flat" else tmp_path)
    assert len(table) == len(PEOPLE) * 8 * 3
    assert table["group"].value_counts().to_dict() == dict.fromkeys(
        ("caucasian 1", "caucasian 7", "kid 7", "moroccan 73"), 24
    )
    for path, label in zip(table["path"], table["label"], strict=True):
        assert label == canonical(Path(path).stem.split("_")[4])
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert "contempt" in set(table["label"])


def test_faces_from_the_side_alone_are_refused(tmp_path: Path) -> None:
    """By name of the camera that is wanted, and other names by the layout."""
    touch(tmp_path / "RaFD/Rafd045_01_Caucasian_female_angry_frontal.jpg")
    with pytest.raises(DataError, match="Rafd090_"):
        read("rafd", tmp_path)
    touch(tmp_path / "other/a.jpg")
    with pytest.raises(DataError, match="rafd not found"):
        read("rafd", tmp_path / "other")
