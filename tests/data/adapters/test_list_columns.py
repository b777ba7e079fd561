"""Lists of other systems and other people: columns, slashes, Unicode forms and endings."""

import unicodedata
from pathlib import Path

import pytest
from conftest import touch

from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.faces.clips import find_films
from fewshot_fer.data.listing import image_endings
from fewshot_fer.system.errors import DataError


def write(folder: Path, text: str) -> Path:
    touch(folder / "a.jpg", folder / "x/b.jpg")
    (folder / "list.csv").write_text(text, encoding="utf-8")
    return folder / "list.csv"


@pytest.mark.parametrize(
    ("header", "cell", "split", "remark"),
    [
        ("Usage", "PrivateTest", "test", "the column usage is read as split"),
        ("partition", "Training", "train", "the column partition is read as split"),
        ("set", "A", "all", "not read: set; if set is meant as split"),
        ("fold", "3", "all", "not read: fold; if fold is meant as split"),
        ("emotion", "x", "all", "not read: emotion"),
    ],
)
def test_other_columns(tmp_path: Path, header: str, cell: str, split: str, remark: str) -> None:
    """What plainly names splits is read as such; what is not read is said."""
    file = write(tmp_path, f"path,label,{header}\na.jpg,joy,{cell}\n")
    table = read_csv_list(file)
    assert table["split"].tolist() == [split]
    assert any(remark in each for each in table.attrs["remarks"])


def test_columns_that_are_missing_but_meant(tmp_path: Path) -> None:
    """FER2013 says emotion: the error says what to call it."""
    with pytest.raises(DataError, match="if emotion is meant as label, call it so"):
        read_csv_list(write(tmp_path, "path,emotion\na.jpg,3\n"))


def test_paths_of_other_systems(tmp_path: Path) -> None:
    """Backslashes, and Korean as macOS writes it, lead to the files that are meant; said once."""
    name = "얼굴/기쁨.jpg"
    touch(tmp_path / unicodedata.normalize("NFD", name))
    table = read_csv_list(write(tmp_path, f"path,label\n.\\x\\b.jpg,joy\n{name},joy\n"))
    assert {Path(path).name for path in table["path"]} == {
        "b.jpg",
        unicodedata.normalize("NFD", "기쁨.jpg"),
    }
    assert all(Path(path).is_file() for path in table["path"])
    said = "\n".join(table.attrs["remarks"])
    assert "1 path(s) with backslashes" in said
    assert "1 path(s) found on the disk in another Unicode form" in said


def test_two_spellings_of_one_path_are_one_picture(tmp_path: Path) -> None:
    """A repeat is found by the file that is meant, and none is looked for outside."""
    with pytest.raises(DataError, match="listed twice, on line 2"):
        read_csv_list(write(tmp_path, "path,label\nx/b.jpg,joy\nx\\b.jpg,sad\n"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="outside of"):
        read_csv_list(write(tmp_path / "mine", "path,label\n..\\a.jpg,joy\n"))


def test_spellings_that_become_one_class_are_said(tmp_path: Path) -> None:
    """Joy beside Happy may be one class or two: who typed them knows."""
    table = read_csv_list(write(tmp_path, "path,label\na.jpg,Joy\nx/b.jpg,Happy\n"))
    assert table.attrs["remarks"] == ["csv: Happy and Joy are both read as happiness"]


def test_files_left_out_by_their_endings_are_counted(tmp_path: Path) -> None:
    """What Pillow opens is read under each ending that it has; all others are counted."""
    assert {".jfif", ".jpe", ".gif", ".pgm", ".tiff", ".dib", ".jp2"} <= set(image_endings())
    assert not {".eps", ".pdf", ".mpg", ".txt"} & set(image_endings())
    files = ["1.JFIF", "2.pgm", "3.xyz", "4.xyz", "5", "6.webm", "Thumbs.db", ".hidden"]
    touch(*(tmp_path / "joy" / name for name in files))
    table = read_folder(tmp_path)
    assert [Path(path).name for path in table["path"]] == ["1.JFIF", "2.pgm"]
    (said,) = table.attrs["remarks"]
    assert "4 file(s) left out" in said
    assert "2 .xyz" in said
    assert "1 without ending" in said
    assert "frames of videos must be extracted" in said


def test_films_of_every_ending_are_prepared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What FFmpeg reads is found under the endings that it has; other files are counted."""
    caplog.set_level("INFO", "fewshot_fer")
    films = [
        f"{place}.{end}" for place, end in enumerate(("avi", "WEBM", "flv", "m4v", "wmv", "mpg"))
    ]
    touch(*(tmp_path / "Train_AFEW/Angry" / name for name in [*films, "1.xml"]))
    assert [film.name for film in find_films(tmp_path)] == films
    assert "1 .xml" in caplog.text
