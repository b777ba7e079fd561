"""Oulu-CASIA: which camera and light are read, and which frames of a sequence."""

from pathlib import Path

import pytest
from conftest import touch
from layouts import read

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.system.errors import DataError

FOLDERS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


def write_sequence(folder: Path, n_frames: int = 9) -> None:
    touch(*(folder / f"{number:03}.jpeg" for number in range(n_frames)))


@pytest.mark.parametrize(
    "root",
    [
        "Oulu-CASIA/PreProcess_Img/VL_Acropped",
        "OULU/PreProcess/VL_Acropped",
        "Oulu_CASIA_NIR_VIS/VL",
        "oulu-casia/oulu-casia/preprocess_img/vl_acropped",
    ],
)
def test_frames_of_a_sequence(tmp_path: Path, root: str) -> None:
    """The first frame is neutral, the last three have the class of the folder."""
    for of_class in FOLDERS:
        write_sequence(tmp_path / root / "Strong/P001" / of_class, 12)
    table = read("oulu_casia", tmp_path)
    assert table["label"].value_counts().to_dict() == {
        "neutral": 6,
        **dict.fromkeys(("anger", "disgust", "fear", "happiness", "sadness", "surprise"), 3),
    }
    fear = table[table["clip"].str.startswith("P001/Fear")]
    assert fear[["clip", "frame", "label"]].to_numpy().tolist() == [
        ["P001/Fear/neutral", 0, "neutral"],
        *(["P001/Fear", place, "fear"] for place in (9, 10, 11)),
    ]
    assert set(table["group"]) == {"P001"}


def test_camera_and_light(tmp_path: Path) -> None:
    """Visible and strong light are taken, unless the folder that is given says otherwise; which
    ones it were is told."""
    root = tmp_path / "Oulu-CASIA/PreProcess_Img"
    for number, camera in enumerate(("VL_Acropped", "NI_Acropped")):
        for place, light in enumerate(("Strong", "Weak", "Dark")):
            for subject in range(1 + number * 3 + place):
                write_sequence(root / camera / light / f"P{subject + 1:03}/Anger")
    sizes = {
        tmp_path: 1,
        root: 1,
        root / "VL_Acropped": 1,
        root / "VL_Acropped/Dark": 3,
        root / "NI_Acropped": 4,
        root / "NI_Acropped/Weak": 5,
    }
    for folder, n_subjects in sizes.items():
        table = read("oulu_casia", folder)
        assert table["group"].nunique() == n_subjects
    assert str(root / "NI_Acropped/Weak") in table.attrs["remarks"][0]


def test_faces_come_before_whole_frames(tmp_path: Path) -> None:
    """Where both are there, the faces that were cut out are read."""
    for root in ("OriginalImg/VL", "PreProcess_Img/VL_Acropped"):
        write_sequence(tmp_path / "Oulu-CASIA" / root / "Strong/P001/Anger")
    assert read("oulu_casia", tmp_path)["path"].str.contains("Acropped").all()


@pytest.mark.parametrize("names", [("Angry", "Happy", "Sad"), ("anger", "HAPPINESS", "sadness")])
def test_spellings(tmp_path: Path, names: tuple[str, ...]) -> None:
    """The same class, however its folder is spelled."""
    for name in names:
        write_sequence(tmp_path / "OULU/VL_Acropped/Strong/P080" / name)
    labels = set(read("oulu_casia", tmp_path)["label"])
    assert labels == {"anger", "happiness", "sadness", "neutral"}


def test_folds_and_counts(tmp_path: Path) -> None:
    """Subjects in the order of their numbers go to ten folds in turn; 480 sequences in all."""
    for number in range(1, 13):
        write_sequence(tmp_path / f"OULU/VL_Acropped/Strong/P{number:03}/Fear", 5)
    folds = read("oulu_casia", tmp_path).groupby("group")["split"].first().tolist()
    assert folds == [*(f"fold{n}" for n in range(1, 11)), "fold1", "fold2"]
    assert sum(find_adapter("oulu_casia").counts["all"].values()) == 480


def test_damaged_sequences(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An empty sequence is lost and named, one without its beginning has no neutral frame."""
    root = tmp_path / "OULU/VL_Acropped/Strong/P001"
    write_sequence(root / "Anger")
    (root / "Fear").mkdir()
    touch(*(root / f"Sadness/{number:03}.jpeg" for number in (14, 15, 16, 17)))
    table = read("oulu_casia", tmp_path)
    assert table.attrs["lost_clips"] == {"P001/Fear": "fear"}
    assert "P001/Fear" in caplog.text
    assert table["label"].value_counts().to_dict() == {"anger": 3, "sadness": 3, "neutral": 1}
    assert "no neutral frame of 1 sequence(s)" in "".join(table.attrs["remarks"])


def test_other_folders(tmp_path: Path) -> None:
    """A class that Oulu-CASIA has not, and a copy of infrared alone."""
    root = tmp_path / "OULU/NI_Acropped/Strong/P001"
    write_sequence(root / "Anger")
    with pytest.raises(DataError, match=r"oulu_casia not found .*VL_Acropped.*NI_Acropped"):
        read("oulu_casia", tmp_path)
    write_sequence(root / "Contempt")
    with pytest.raises(DataError, match="Contempt is not a class of Oulu-CASIA: expected Anger"):
        read("oulu_casia", tmp_path / "OULU/NI_Acropped")
