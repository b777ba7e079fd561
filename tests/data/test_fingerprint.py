"""Files are known by what they hold, not by their sizes, times and places."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from fewshot_fer.data import fingerprint
from fewshot_fer.data.fingerprint import table_identity
from fewshot_fer.data.load import find_bad_images
from fewshot_fer.data.packed_images import pack
from fewshot_fer.data.table import make_table

LONG_AGO = 1_000_000_000  # ns since 1970


def draw(path: Path, grey: int) -> None:
    """Write a picture whose size in bytes and times do not tell its grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 9), (grey, grey, grey)).save(path, format="BMP")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    found = [tmp_path / f"faces/{number}.bmp" for number in range(4)]
    for number, path in enumerate(found):
        draw(path, 10 * number)
    return [str(path) for path in found]


def table_of(paths: list[str], label: str = "x", **more: object) -> pd.DataFrame:
    row = {"label": label, "split": "all", "dataset": "d", **more}
    return make_table([row | {"path": path} for path in paths])


def greys(paths: list[str], cache: Path) -> list[int]:
    packed: list[int] = pack(table_of(paths), 8, cache).images[:, 0, 0, 0].tolist()
    return packed


@pytest.mark.parametrize("recent", [True, False])
def test_new_pixels_count_though_size_and_time_are_the_old(
    paths: list[str], tmp_path: Path, recent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As archives with constant times leave them: rewritten in place, replaced, swapped."""
    if not recent:
        monkeypatch.setattr(fingerprint, "RECENT", 0)  # remembered at once
    cache = tmp_path / "cache"
    assert greys(paths, cache) == [0, 10, 20, 30]
    draw(Path(paths[0]), 99)
    assert greys(paths, cache) == greys(paths, tmp_path / "fresh") == [99, 10, 20, 30]
    draw(tmp_path / "other.bmp", 77)
    (tmp_path / "other.bmp").replace(paths[1])
    assert greys(paths, cache) == [99, 77, 20, 30]
    Path(paths[2]).rename(tmp_path / "aside")
    Path(paths[3]).rename(paths[2])
    (tmp_path / "aside").rename(paths[3])
    assert greys(paths, cache) == [99, 77, 30, 20]


def test_files_are_read_once_and_decoded_once_wherever_they_lie(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy, and files whose inodes change all the time, are read; none is decoded again."""
    monkeypatch.setattr(fingerprint, "RECENT", 0)
    first = pack(table_of(paths), 8, tmp_path / "cache")

    def fail(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("fewshot_fer.data.packed_images.decode", fail)
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", fail)
        assert pack(table_of(paths), 8, tmp_path / "cache").file == first.file
    moved = shutil.copytree(tmp_path / "faces", tmp_path / "moved")
    for path in paths:
        shutil.copy(path, f"{path}.new")
        Path(f"{path}.new").replace(path)
    copies = [str(path) for path in sorted(moved.iterdir())]
    for table in (table_of(copies), table_of(paths)):
        assert pack(table, 8, tmp_path / "cache").file == first.file


def test_a_scan_for_bad_pictures_looks_again(
    paths: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that is damaged, its size and time kept, is found; mended, it is none any more."""
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    assert find_bad_images(paths, 8) == {}
    good = Path(paths[2]).read_bytes()
    Path(paths[2]).write_bytes(b"x" * len(good))
    os.utime(paths[2], ns=(LONG_AGO, LONG_AGO))
    assert list(find_bad_images(paths, 8)) == [paths[2]]
    Path(paths[2]).write_bytes(good)
    os.utime(paths[2], ns=(LONG_AGO, LONG_AGO))
    assert find_bad_images(paths, 8) == {}


def test_a_table_is_the_same_wherever_it_lies(
    paths: list[str], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with another label, split, group or name, nor with other pixels in one picture."""
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    own = table_identity(table_of(paths))
    moved = shutil.copytree(tmp_path / "faces", tmp_path / "else/where")
    copies = [str(path) for path in sorted(moved.iterdir())]
    assert table_identity(table_of(copies)) == own
    for change in ({"label": "y"}, {"split": "test"}, {"group": "g"}, {"clip": "c"}):
        other = table_identity(table_of(copies, **change))  # type: ignore[arg-type]
        assert (other["names"] != own["names"], other["pictures"]) == (True, own["pictures"])
    draw(moved / "1.bmp", 11)
    other = table_identity(table_of(copies))
    assert (other["names"], other["pictures"] != own["pictures"]) == (own["names"], True)
    fewer = table_identity(table_of(copies[:-1]))
    assert fewer["images"] == 3
    assert fewer["names"] != own["names"]
