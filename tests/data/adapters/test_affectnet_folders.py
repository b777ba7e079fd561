"""AffectNet in class folders: by name, or by numbers whose order a file says."""

import json
from pathlib import Path

import pytest
from PIL import Image

from fewshot_fer.data.adapters.affectnet import read_affectnet
from fewshot_fer.system.errors import DataError

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")


def write_folders(root: Path, names: tuple[str, ...], splits: tuple[str, ...]) -> None:
    for split in splits:
        for name in names:
            folder = root / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (96, 96)).save(folder / f"image_{split}.jpg")


def labels_of(root: Path) -> dict[str, str]:
    table = read_affectnet(root)
    return {Path(p).parent.name: label for p, label in table[["path", "label"]].to_numpy()}


def test_class_folders_by_name(tmp_path: Path) -> None:
    """What stands beside train in the place of a test is the validation split; none is left out."""
    names = ("Anger", "contempt", "Disgust", "fear", "Happy", "Neutral", "sad", "surprise", "None")
    write_folders(tmp_path, names, ("Train", "Test"))
    found = labels_of(tmp_path)
    assert found == dict(zip(names[:8], sorted(CLASSES), strict=True))
    table = read_affectnet(tmp_path)
    assert {*table["split"]} == {"train", "val"}
    assert "left out, as no expressions: None" in table.attrs["remarks"][0]


def test_numbers_need_a_file_that_says_their_order(tmp_path: Path) -> None:
    """Without it the error shows both orders that are in the wild."""
    write_folders(tmp_path / "x", tuple("01234567"), ("train", "val"))
    with pytest.raises(DataError) as error:
        read_affectnet(tmp_path / "x")
    assert "0 neutral, 1 happiness, 2 sadness, 3 surprise" in str(error.value)
    assert "0 anger, 1 contempt, 2 disgust, 3 fear" in str(error.value)
    assert "classes.txt" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "\n".join(sorted(CLASSES))),
        ("Labels.txt", "\r\n".join(f"{n}: {c}" for n, c in enumerate(sorted(CLASSES)))),
        ("class_names.txt", "\n".join(f"{c},{n}" for n, c in enumerate(sorted(CLASSES)))),
        ("classes.json", json.dumps(sorted(CLASSES))),
        ("id2label.json", json.dumps({n: c.title() for n, c in enumerate(sorted(CLASSES))})),
        ("class_to_idx.json", json.dumps({c: n for n, c in enumerate(sorted(CLASSES))})),
    ],
)
def test_files_that_say_the_order(tmp_path: Path, name: str, text: str) -> None:
    """In lines or JSON, in either direction; a remark repeats what was read."""
    write_folders(tmp_path, tuple("01234567"), ("train", "val"))
    (tmp_path / name).write_text(text)
    assert labels_of(tmp_path) == {str(n): label for n, label in enumerate(sorted(CLASSES))}
    assert any("0 anger, 1 contempt" in r for r in read_affectnet(tmp_path).attrs["remarks"])


@pytest.mark.parametrize("text", ["", "cat\ndog", "[1, 2]", "{"])
def test_an_order_that_is_none(tmp_path: Path, text: str) -> None:
    """Is one line that names the file."""
    write_folders(tmp_path, tuple("01234567"), ("train",))
    name = "classes.json" if text[:1] in ("[", "{") else "classes.txt"
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"classes\.\w+ (names no order|cannot be read)") as error:
        read_affectnet(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train/happy/a.jpg", 96),
        ("train/contempt/fer0000000.png", 96),
        ("train/contempt/a.png", 48),
        ("train/contempt/S010_004_00000017.png", 96),
        ("train_set/images/0.jpg", 96),
        ("training.csv", 96),
    ],
)
def test_other_data_sets_are_refused(tmp_path: Path, name: str, side: int) -> None:
    """RAF-DB, FER+, CK+48, half of a re-packed copy, and a list of something else."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side)).save(tmp_path / name, format="png")
    with pytest.raises(DataError, match="affectnet not found"):
        read_affectnet(tmp_path)


@pytest.mark.parametrize("made", ["a file", "nothing"])
def test_no_folder(tmp_path: Path, made: str) -> None:
    """Is said as such."""
    place = tmp_path / "data"
    if made == "a file":
        place.touch()
    with pytest.raises(DataError, match=r"affectnet not found .* (a file, not a|no such) folder"):
        read_affectnet(place)
