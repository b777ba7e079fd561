"""An index gives the very table that listing gives, or none."""

import logging
import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data import table_index
from fewshot_fer.data.adapters import registry
from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.load import Source, load_dataset
from fewshot_fer.data.table import make_table
from fewshot_fer.data.table_index import indexed_table


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep an index of the smallest tables, and at once."""
    monkeypatch.setattr(table_index, "LEAST", 1)
    monkeypatch.setattr(table_index, "RECENT", 0)
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def afew(tmp_path: Path) -> Path:
    """Two classes of two clips; one frame and one whole clip without a face."""
    root = tmp_path / "data/AFEW"
    for name in ("Happy/000000001", "Happy/000000002", "Sad/000000001", "Sad/000000009"):
        folder = root / "Val_AFEW" / name
        folder.mkdir(parents=True)
        for number in (1, 2, 10):
            Image.new("RGB", (4, 4)).save(folder / f"{number}.png")
    (root / "Val_AFEW/Happy/000000001/2.png").rename(root / "Val_AFEW/Happy/000000001/2_noface.png")
    for file in (root / "Val_AFEW/Sad/000000009").iterdir():
        file.rename(file.with_name(f"{file.stem}_noface.png"))
    (root / "Val_AFEW/Sad/000000001/film.avi").touch()
    return root


class Reading:
    """Reads a table through its index, and counts how often it was listed."""

    def __init__(self, read: Callable[[], pd.DataFrame], name: str = "data") -> None:
        self.plain, self.name, self.times = read, name, 0

    def listed(self) -> pd.DataFrame:
        self.times += 1
        return self.plain()

    def table(self, trusted: bool = True) -> pd.DataFrame:
        """Return the table, after comparing it with one that no index gave."""
        found = indexed_table(self.name, self.listed, trusted)
        expected = self.plain()
        pd.testing.assert_frame_equal(found, expected)
        assert found.attrs == expected.attrs
        return found


def test_an_index_gives_the_same_table_and_remarks(
    afew: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Types, attributes and what is said of lost clips; of a copy elsewhere it knows nothing."""
    caplog.set_level(logging.INFO, "fewshot_fer")
    reading = Reading(lambda: read_afew(afew))
    said = []
    for _ in range(3):
        caplog.clear()
        indexed_table("data", reading.listed)
        said.append([(record.levelno, record.getMessage()) for record in caplog.records])
    assert reading.times == 1
    assert len(said[0]) == 2
    assert said[0] == said[1] == said[2]
    table = reading.table()
    assert table.attrs["lost_clips"] == {"val/Sad/000000009": "sadness"}
    assert "film" not in "".join(table["path"])
    assert any(".avi" in remark for remark in table.attrs["remarks"])


def add(root: Path) -> None:
    Image.new("RGB", (4, 4)).save(root / "Val_AFEW/Sad/000000001/11.png")


def remove(root: Path) -> None:
    (root / "Val_AFEW/Happy/000000001/1.png").unlink()


def rename(root: Path) -> None:
    clip = root / "Val_AFEW/Happy/000000002"
    (clip / "1.png").rename(clip / "1_noface.png")


def new_clip(root: Path) -> None:
    shutil.copytree(root / "Val_AFEW/Sad/000000001", root / "Val_AFEW/Sad/000000005")


def new_split(root: Path) -> None:
    shutil.copytree(root / "Val_AFEW", root / "Train_AFEW")


def other_class(root: Path) -> None:
    (root / "Val_AFEW/Sad").rename(root / "Val_AFEW/Fear")


def unpacked_again(root: Path) -> None:
    """As of an archive that restores all times of the clip that it replaces."""
    clip = root / "Val_AFEW/Happy/000000002"
    times = clip.stat()
    shutil.rmtree(clip)
    clip.mkdir()
    Image.new("RGB", (4, 4)).save(clip / "7.png")
    os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES = (add, remove, rename, new_clip, new_split, other_class, unpacked_again)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_any_folder_is_seen(afew: Path, change: Callable[[Path], None]) -> None:
    """Whatever is added, removed or renamed, whatever times are set."""
    reading = Reading(lambda: read_afew(afew))
    before = reading.table()
    change(afew)
    assert list(reading.table()["path"]) != list(before["path"])
    assert reading.times == 2
    reading.table()
    assert reading.times == 2


def listed_in(file: Path, in_thread: bool) -> pd.DataFrame:
    """Return the table of a list of labels, `name label` a line, that any thread may read."""
    lines: list[str] = []
    work = threading.Thread(target=lambda: lines.extend(file.read_text().splitlines()))
    if in_thread:
        work.start()
        work.join()
    else:
        work.run()
    rows = [dict(zip(("path", "label"), line.split(), strict=True)) for line in lines]
    common = {"split": "all", "dataset": "d"}
    return make_table([{**row, **common, "path": str(file.parent / row["path"])} for row in rows])


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_change_in_a_list_is_seen(tmp_path: Path, in_thread: bool) -> None:
    """Rewritten in place, its size and time kept; and an index made of several tables sees it."""
    file = tmp_path / "lists/list.txt"
    file.parent.mkdir()
    file.write_text("a.png anger\nb.png fear_\n")
    reading = Reading(lambda: listed_in(file, in_thread))
    inner = partial(indexed_table, "inner", lambda: listed_in(file, in_thread))
    outer = Reading(inner, "outer")
    inner()
    for each in (reading, reading, outer, outer):
        each.table()
    assert (reading.times, outer.times) == (1, 1)
    times = file.stat()
    file.write_text("a.png fear_\nb.png anger\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    for each in (reading, outer):
        assert list(each.table()["label"]) == ["fear_", "anger"]


def test_an_index_that_is_damaged_or_not_wanted_is_not_read(afew: Path, tmp_path: Path) -> None:
    """All is listed anew: by `check`, after damage, and where folders changed a moment ago."""
    reading = Reading(lambda: read_afew(afew))
    reading.table()
    reading.table(trusted=False)
    assert reading.times == 2
    (file,) = (tmp_path / "cache/tables").iterdir()
    for content in (b"", b"hello", file.read_bytes()[:900]):
        file.write_bytes(content)
        reading.table()
    assert reading.times == 5
    reading.table()
    assert reading.times == 5


def test_what_just_changed_is_not_kept(
    afew: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder may change again within one tick of its clock."""
    monkeypatch.setattr(table_index, "RECENT", 10**12)
    reading = Reading(lambda: read_afew(afew))
    reading.table()
    reading.table()
    assert reading.times == 2
    assert not (tmp_path / "cache/tables").exists()


def test_a_data_set_is_opened_by_its_index(afew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its settings, and of this package's adapters alone: another's may read anything."""
    settings = DatasetConfig(adapter="afew", split="val")
    first = load_dataset(settings, Source(afew.parent, demo=True))
    with monkeypatch.context() as patched:
        patched.setattr(registry.Adapter, "read", lambda *_: pytest.fail("listed again"))
        again = load_dataset(settings, Source(afew.parent, demo=True))
        pd.testing.assert_frame_equal(first, again)
        with pytest.raises(pytest.fail.Exception):
            load_dataset(settings, Source(afew.parent, demo=True, fresh=True))
    assert registry.find_adapter("afew").is_own
    assert not registry.Adapter("mine", listed_in, "").is_own
