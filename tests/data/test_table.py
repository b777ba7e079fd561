"""Own folders and lists, the mixed set, and the table that all of them become."""

import itertools
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import face_table

from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.table import make_table, validate_table
from fewshot_fer.system.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folder_with_groups(tmp_path: Path) -> None:
    """A subject who shows two expressions is one group; a loose image is its own."""
    touch(tmp_path, "Happy/S01/a.jpg", "Happy/S01/b.jpg", "Sad/S01/a.jpg", "Sad/얼굴 🙂.png")
    touch(tmp_path, "Sad/notes.txt", ".hidden/x.jpg", "Sad/.x.jpg")
    table = read_folder(tmp_path)
    assert table["label"].tolist() == ["happiness", "happiness", "sadness", "sadness"]
    assert table["group"].tolist()[:3] == ["S01"] * 3
    assert table["group"].iloc[3].endswith("얼굴 🙂.png")
    assert set(table["split"]) == {"all"}


def test_folder_with_splits(tmp_path: Path) -> None:
    """train/ beside valid/ are splits; a single such folder is a class called so."""
    touch(tmp_path, "train/a/1.jpg", "valid/a/1.jpg", "test/b/1.jpg")
    table = read_folder(tmp_path)
    assert sorted(table["split"]) == ["test", "train", "val"]
    assert sorted(table["label"]) == ["a", "a", "b"]


def test_empty_and_missing_folders_are_named(tmp_path: Path) -> None:
    """What was looked for, and what is there."""
    (tmp_path / "happy").mkdir()
    with pytest.raises(DataError, match=r"no images in .*\(happy\)"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_folder(tmp_path / "gone")


def test_links_that_go_round_do_not_hang(tmp_path: Path) -> None:
    """A link to a folder above is a group like another, and is not followed further."""
    touch(tmp_path, "happy/1.jpg")
    (tmp_path / "happy/loop").symlink_to(tmp_path / "happy", target_is_directory=True)
    assert len(read_folder(tmp_path)) == 2


def test_csv_columns(tmp_path: Path) -> None:
    """Optional columns, relative paths, BOM, CRLF, and labels that pandas takes for nothing."""
    elsewhere = tmp_path / "y/2.jpg"
    touch(tmp_path, "x/1.jpg", "y/2.jpg", "3.jpg", "z/x/1.jpg", "z/3.jpg")
    lines = ("path,label,group,split,age", "x/1.jpg,Happy,S1,train,3", f"{elsewhere},None,,,")
    text = "\r\n".join((*lines, "3.jpg,NA,S1,val,"))
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = read_csv_list(tmp_path / "list.csv").set_index("label")
    assert table.loc["happiness", "path"] == str(tmp_path / "x/1.jpg")
    assert table.loc["happiness", "group"] == table.loc["na", "group"] == "S1"
    assert table.loc["none", "path"] == table.loc["none", "group"] == str(elsewhere)
    assert table.loc["none", "split"] == "all"
    (tmp_path / "list.csv").write_text("path,label\nx/1.jpg,Happy")
    rooted = read_csv_list(tmp_path / "list.csv", root=tmp_path / "z")
    assert rooted["path"].tolist() == [str(tmp_path / "z/x/1.jpg")]


def test_tables_do_not_depend_on_the_order_of_rows() -> None:
    """Disks list files in any order; experiments must not notice."""
    rows: list[dict[str, object]] = [
        {"path": name, "label": "x", "split": "all", "dataset": "d"} for name in "cab"
    ]
    pd.testing.assert_frame_equal(make_table(rows), make_table(rows[::-1]))


def test_tables_that_break_the_contract_are_refused() -> None:
    """Missing columns, no rows, equal keys, empty labels."""
    good = face_table({"a": 2})
    for bad, message in (
        (good.drop(columns="group"), "missing"),
        (good.iloc[:0], "without a single image"),
        (pd.concat([good, good]), "listed twice"),
        (good.assign(label=""), "empty label"),
    ):
        with pytest.raises(DataError, match=message):
            validate_table(bad)


UNFIT = (os.fsdecode(b"caf\xe9"), "a\0b")
BROKEN = ("two\nlines", "a\rb")  # which are blanks like others in the name of a group or clip


@pytest.mark.parametrize(
    ("column", "name"),
    [
        *itertools.product(("path", "label", "group", "clip"), UNFIT),
        *itertools.product(("path", "label"), BROKEN),
    ],
)
def test_a_name_that_no_file_of_a_run_can_hold_is_refused_at_once(column: str, name: str) -> None:
    """Where the table is made, which is before the first epoch, by its escaped form."""
    row: dict[str, object] = {"path": "/f/a.jpg", "label": "fear", "split": "all", "dataset": "x"}
    with pytest.raises(DataError, match=re.escape(ascii(name))):
        make_table([row | {column: name}])


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_folder_with_names_of_any_bytes_is_refused(tmp_path: Path) -> None:
    for name in ("a/0.jpg", "b/0.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "a/notes \udce9.txt").touch()  # no picture: nobody minds
    assert len(read_folder(tmp_path)) == 2
    (tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg")).touch()
    with pytest.raises(DataError, match=r"caf\\udce9\.jpg"):
        read_folder(tmp_path)
