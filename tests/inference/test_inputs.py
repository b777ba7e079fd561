"""Names of files, folders and globs become pictures and videos, whatever letters they have."""

import os
import sys
from pathlib import Path

import pytest

from fewshot_fer.inference.inputs import SourceImage, find_inputs
from fewshot_fer.system.errors import ConfigError, DataError


def test_files_behind_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders with all below, globs, files of any ending; natural order, nothing twice."""
    monkeypatch.chdir(tmp_path)
    names = ("in/2.jpg", "in/10.jpg", "in/deep/3.PNG", "in/film.AVI", "in/.x.jpg", "in/a.txt", "b")
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("in/loop").symlink_to(tmp_path / "in")
    found = find_inputs(["in/10.jpg", "in", "b", "in/*/3.*"])
    assert [str(file) for file in found.pictures] == ["in/10.jpg", "in/2.jpg", "in/deep/3.PNG", "b"]
    assert [str(file) for file in found.videos] == ["in/film.AVI"]
    Path("odd[1].jpg").touch()
    assert len(find_inputs(["odd[1].jpg"])) == 1
    with pytest.raises(DataError, match="nowhere"):
        find_inputs(["in", "nowhere/x.jpg"])


def test_videos_need_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it they are refused before anything is classified, with what to install."""
    (tmp_path / "x.avi").touch()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"fewshot_fer\[video\]"):
        find_inputs([str(tmp_path)])


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_bytes(tmp_path: Path) -> None:
    """A file whose name is no text is shown under an escaped one."""
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).touch()
    found = find_inputs([str(tmp_path)]).pictures
    assert SourceImage(found[0]).name.endswith(r"caf\udce9.jpg")


def test_brackets_in_a_folders_name_are_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[new] *"
    folder.mkdir()
    (folder / "a.jpg").touch()
    assert find_inputs([str(folder / "*.jpg")]).pictures == [folder / "a.jpg"]
