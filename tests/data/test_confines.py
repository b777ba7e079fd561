"""The border of a data set: nothing that a stranger's list or archive holds leads out of it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import write_afew, write_rafdb

from fewshot_fer.data import labels
from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.adapters.rafdb import read_rafdb_basic
from fewshot_fer.data.confines import MANY, Confines
from fewshot_fer.system.errors import DataError

Read = Callable[..., pd.DataFrame]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture that belongs to no data set."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/1.jpg").touch()
    return tmp_path / "secret/1.jpg"


@pytest.mark.parametrize("name", ["{secret}", "../secret/1.jpg", "link.jpg", "linked/1.jpg"])
def test_a_list_stays_below_its_folder(tmp_path: Path, secret: Path, name: str) -> None:
    """Absolute, through `..`, by a link to the picture or to its folder; the line is named."""
    (tmp_path / "mine/faces").mkdir(parents=True)
    (tmp_path / "mine/a.jpg").touch()
    (tmp_path / "mine/link.jpg").symlink_to(secret)
    (tmp_path / "mine/linked").symlink_to(secret.parent)
    named = name.format(secret=secret)
    file = tmp_path / "mine/list.csv"
    file.write_text(f"path,label\nfaces/../a.jpg,x\n{named},y\n")
    with pytest.raises(DataError, match=r"line 3: .*outside of .*dataset\.outside=true"):
        read_csv_list(file)
    assert len(read_csv_list(file, outside=True)) == 2
    assert len(read_csv_list(file, root=tmp_path / "mine", outside=True)) == 2
    file.write_text(f"path,label\nmine/a.jpg,x\n{tmp_path / 'secret/1.jpg'},y\n")
    assert len(read_csv_list(file, root=tmp_path)) == 2  # absolute, and below the root


@pytest.mark.parametrize("place", [0, MANY - 2, MANY - 1, MANY, MANY + 9])
@pytest.mark.parametrize("link", [True, False])
def test_one_link_among_many_files(tmp_path: Path, secret: Path, place: int, link: bool) -> None:
    """Wherever it stands: a folder that many files are asked of is listed, a small one is not."""
    (tmp_path / "faces").mkdir()
    files = [tmp_path / f"faces/{number}.jpg" for number in range(MANY + 10)]
    for number, file in enumerate(files):
        if link and number == place:
            file.symlink_to(secret)
        else:
            file.touch()
    confines = Confines(tmp_path / "faces")
    held = [confines.hold(str(file)) for file in files]
    assert held == [not (link and number == place) for number in range(len(files))]


def _rafdb(root: Path) -> Path:
    write_rafdb(root / "RAF-DB/basic", labels.BASIC, n_train=1, n_test=1)
    return root / "RAF-DB/basic/Image/aligned/train_00001_aligned.jpg"


def _rafdb_in_folders(root: Path) -> Path:
    for number in range(1, 8):
        for split in ("train", "test"):
            (root / f"DATASET/{split}/{number}").mkdir(parents=True)
            (root / f"DATASET/{split}/{number}/x_aligned.jpg").touch()
    return root / "DATASET/test/3/x_aligned.jpg"


def _afew(root: Path) -> Path:
    write_afew(root / "AFEW", n_clips=1, n_frames=1)
    return root / "AFEW/Val_AFEW/Sad/001005000/001.jpg"


def _folder(root: Path) -> Path:
    for name in ("happy/S1/1.jpg", "sad/S1/1.jpg"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    return root / "happy/S1/1.jpg"


READERS: dict[str, tuple[Callable[[Path], Path], Read]] = {
    "rafdb": (_rafdb, read_rafdb_basic),
    "rafdb in folders": (_rafdb_in_folders, read_rafdb_basic),
    "afew": (_afew, read_afew),
    "folder": (_folder, read_folder),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("level", ["picture", "folder"])
def test_links_stay_below_the_folder(tmp_path: Path, secret: Path, kind: str, level: str) -> None:
    """The link is named, and can be allowed; one that stays within is no matter."""
    write, read = READERS[kind]
    picture = write(tmp_path / "data")
    count = len(read(tmp_path / "data"))
    link = picture if level == "picture" else picture.parent
    moved = secret.parent / "moved"
    link.rename(moved)
    link.symlink_to(moved)
    with pytest.raises(DataError, match=rf"{link} is a link to {moved}, outside of"):
        read(tmp_path / "data")
    assert len(read(tmp_path / "data", outside=True)) == count
    within = tmp_path / "data" / {"folder": "", "afew": "AFEW"}.get(kind, "") / ".kept"
    if kind.startswith("rafdb"):
        within = picture.parents[2] / ".kept"
    moved.rename(within)
    link.unlink()
    link.symlink_to(within)
    assert len(read(tmp_path / "data")) == count


@pytest.mark.parametrize("kind", READERS)
def test_the_data_may_be_linked_as_a_whole(tmp_path: Path, kind: str) -> None:
    """People keep RAF-DB on another disk and link it below paths.data."""
    write, read = READERS[kind]
    write(tmp_path / "disk")
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    count = len(read(tmp_path / "data"))
    if kind in ("rafdb", "afew", "rafdb in folders"):
        (tmp_path / "parent").mkdir()
        for own in (tmp_path / "disk").iterdir():
            (tmp_path / "parent" / own.name).symlink_to(own)
        assert len(read(tmp_path / "parent")) == count


def test_a_label_list_that_is_a_link(tmp_path: Path, secret: Path) -> None:
    """A list is not read where an archive says that it lies elsewhere."""
    _rafdb(tmp_path / "data")
    labels_file = tmp_path / "data/RAF-DB/basic/EmoLabel/list_patition_label.txt"
    labels_file.rename(secret.with_name("list.txt"))
    labels_file.symlink_to(secret.with_name("list.txt"))
    with pytest.raises(DataError, match=r"list_patition_label\.txt is a link"):
        read_rafdb_basic(tmp_path / "data")
