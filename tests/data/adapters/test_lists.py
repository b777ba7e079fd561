"""Lists and folders of one's own: whatever is wrong is said, nothing shifts or vanishes unseen."""

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.adapters.mixed import mix
from fewshot_fer.data.adapters.rafdb import read_rafdb_basic
from fewshot_fer.data.listing import contents, folders_in, images_in, natural_key
from fewshot_fer.system.errors import DataError


def write_list(folder: Path, text: str) -> Path:
    for name in ("a.jpg", "b.jpg", "1.jpg", "a,1.jpg"):
        (folder / name).touch()
    (folder / "list.csv").write_bytes(text.encode())
    return folder / "list.csv"


def test_every_column(tmp_path: Path) -> None:
    """Clip and frame are read, spellings of splits become one, capitals in the header are fine."""
    text = "Path, Label ,GROUP,split,clip,frame,more\na.jpg,Angry, S1 ,Validation,c,12,x\nb.jpg,NA"
    table = read_csv_list(write_list(tmp_path, text))
    first, second = table.to_dict("records")
    assert {**first, "path": Path(first["path"]).name} == {
        "path": "a.jpg",
        "label": "anger",
        "split": "val",
        "group": "S1",
        "clip": "c",
        "frame": 12,
        "dataset": "csv",
    }
    assert (second["label"], second["split"], second["frame"]) == ("na", "all", -1)
    assert second["group"] == second["path"]


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("path,label\na,1.jpg,happy", "comma in double quotes"),
        ("path,label\na.jpg,happy\na,1.jpg,happy", "line 3"),
        ("path,label\na.jpg,happy\n\n\nb.jpg,", "line 5: the column label is empty"),
        ("path,label\na.jpg,happy\nb.jpg", "line 3: the column label is empty"),
        ("path,label\na.jpg,x\nc.jpg,x\nd.jpg,x", r"line 3: .*c\.jpg.* 2 of the 3 listed"),
        ("path,label\na.jpg,x\n" + "y" * 300 + ".jpg,x", "line 3: .* is not there"),
        ("path,label\na.jpg,x\n.,x", "line 3: .* is not there"),
        ("path,label\na.jpg,x\nb.jpg,y\n./a.jpg,y", "line 4: .* listed twice, on line 2"),
        ("path,label\na.jpg,x\0y", "line 2 holds a NUL byte after .*a\\.jpg,x"),
        ("path,Path,label\na.jpg,a.jpg,x", "names a column twice"),
        ("path,label\n,x", "line 2: the column path is empty"),
        ("path,label,frame\na.jpg,x,one", "line 2: frame 'one'"),
        ("", "cannot be read as CSV"),
        ("path;label\na.jpg;x", "no column path and label: .*'path;label'"),
        ("path,label,frame\na.jpg,x,-1", "line 2: frame '-1'"),
        ("path,label,frame\na.jpg,x," + "9" * 30, "line 2: frame"),
        ('path,label\n"a.jpg,x', "cannot be read as CSV"),
        ("path,label\n\n\n", "lists no image"),
    ],
)
def test_wrong_lists(tmp_path: Path, text: str, culprit: str) -> None:
    """File, line as an editor counts it, column; a comma in a name does not shift the columns."""
    file = write_list(tmp_path, text)
    with pytest.raises(DataError, match=rf"{re.escape(str(file))}.*{culprit}") as caught:
        read_csv_list(file)
    assert "\n" not in str(caught.value)


def test_quoted_comma(tmp_path: Path) -> None:
    """In double quotes a comma is part of the name."""
    table = read_csv_list(write_list(tmp_path, 'path,label\n"a,1.jpg",happy\n'))
    assert Path(table["path"][0]).name == "a,1.jpg"


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.one_of(st.binary(max_size=50), st.text(max_size=50).map(str.encode)))
def test_any_bytes_give_a_table_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    """Whatever a list holds, no other exception than DataError leaves its reader."""
    file = write_list(tmp_path, "")
    file.write_bytes(b"path,label\n" + content)
    try:
        labels = read_csv_list(file)["label"].tolist()
    except DataError as error:
        labels = ["named"] if str(file) in str(error) or str(tmp_path) in str(error) else []
    assert labels


def test_missing_list(tmp_path: Path) -> None:
    """A list that is not there, or a folder in its place."""
    for file in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(DataError, match=r"is not a file: expected a CSV"):
            read_csv_list(file)


def test_empty_classes_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A class or a group without images is named, since a class would be missing unseen."""
    for name in ("happy", "sad/S1", "angry"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "happy/1.jpg").touch()
    assert len(read_folder(tmp_path)) == 1
    assert f"no images in {tmp_path / 'angry'}" in caplog.text
    assert f"no images in {tmp_path / 'sad/S1'}" in caplog.text


@given(st.lists(st.integers(0, 10**9), unique=True), st.sampled_from(["", "out-", "frame_"]))
def test_natural_order_is_that_of_the_numbers(numbers: list[int], before: str) -> None:
    """Whatever stands before a frame's number, and however it is padded, time decides."""
    names = [f"{before}{number:0{place % 4}}.jpg" for place, number in enumerate(numbers)]
    ordered = sorted(names, key=natural_key)
    values = [int(name.removeprefix(before).removesuffix(".jpg")) for name in ordered]
    assert values == sorted(numbers)


@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    """Digits of any script and names of nothing else never break the order."""
    assert len(sorted(names, key=natural_key)) == len(names)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder that vanished or is a file is a DataError, and its contents say so."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "gone"):
        for look in (images_in, folders_in):
            with pytest.raises(DataError, match=re.escape(str(folder))):
                look(folder)
    assert contents(tmp_path / "file") == "a file, not a folder"
    assert contents(tmp_path / "gone") == "no such folder"


def test_contents_are_short(tmp_path: Path) -> None:
    """A message lists six entries of a folder and counts the rest."""
    for number in range(9):
        (tmp_path / f"{number}.txt").touch()
    assert contents(tmp_path) == "0.txt, 1.txt, 2.txt, 3.txt, 4.txt, 5.txt and 3 more"


def test_mixed_takes_training_clips_of_the_class(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A clip id of validation or of another class matches nothing, nor does an id cut short; what
    is missing is reported, and that everything is missing is an error."""
    basic, afew = read_rafdb_basic(data), read_afew(data)
    sad, val_sad = "000005000", "001005000"
    table, missing = mix(basic, afew, {"Sad": [sad, val_sad, sad[1:]], "anger": [sad]})
    assert missing == [f"Sad/{val_sad}", f"Sad/{sad[1:]}", f"anger/{sad}"]
    assert f"Sad/{val_sad}, Sad/{sad[1:]}, anger/{sad}" in caplog.text
    assert table["dataset"].value_counts().to_dict() == {"rafdb_basic": len(basic), "afew": 3}
    with pytest.raises(DataError, match="none of the AFEW clips"):
        mix(basic, afew, {"Happy": [sad]})


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.jpg", "a/../../secret.jpg"])
def test_a_list_names_nothing_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    """A stranger's list must not lead anywhere; one's own says so with another root."""
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "mine").mkdir()
    file = write_list(tmp_path / "mine", f"path,label\nx/../a.jpg,x\n{tmp_path}/mine/b.jpg,x")
    (tmp_path / "mine/x").mkdir()
    assert len(read_csv_list(file)) == 2
    file.write_text(file.read_text() + f"\n{name},y")
    with pytest.raises(DataError, match=r"line 4: .*outside of .*dataset\.root="):
        read_csv_list(file)
    file.write_text(f"path,label\n{tmp_path}/secret.jpg,x\n{file.parent}/a.jpg,y")
    assert len(read_csv_list(file, root=Path("/"))) == 2


def test_links_are_followed(tmp_path: Path) -> None:
    """People keep pictures on another disk: where a link leads is their choice."""
    (tmp_path / "disk").mkdir()
    file = write_list(tmp_path / "disk", "")
    (tmp_path / "mine/happy").mkdir(parents=True)
    (tmp_path / "mine/happy/1.jpg").symlink_to(tmp_path / "disk/1.jpg")
    (tmp_path / "mine/sad").symlink_to(file.parent)
    assert read_folder(tmp_path / "mine")["label"].tolist() == ["happiness"] + 4 * ["sadness"]
    (tmp_path / "mine/list.csv").write_text("path,label\nsad/a.jpg,x")
    assert len(read_csv_list(tmp_path / "mine/list.csv")) == 1


def test_a_packed_list_is_read(tmp_path: Path) -> None:
    """As pandas opens it; its bytes are no text."""
    plain = write_list(tmp_path, "path,label\na.jpg,x\n")
    (tmp_path / "a.jpg").write_bytes(b"")
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_csv_list(packed)["label"].tolist() == ["x"]
