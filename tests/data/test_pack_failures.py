"""Packing when things go wrong or happen at once: nothing half-written, nothing left behind."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data import pack_file
from fewshot_fer.data import packed_images as store
from fewshot_fer.data.packed_images import pack
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError


@pytest.fixture
def faces(tmp_path: Path) -> pd.DataFrame:
    """A table of six pictures, each of one grey that tells its row."""
    rows: list[dict[str, object]] = []
    for number in range(6):
        path = tmp_path / f"face {number}.png"
        Image.new("RGB", (9, 9), (number, number, number)).save(path)
        rows.append({"path": str(path), "label": "x", "split": "all", "dataset": "d"})
    return make_table(rows)


def files_in(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "packs").rglob("*") if path.is_file())


def test_rows_keep_the_order_of_the_table(faces: pd.DataFrame, tmp_path: Path) -> None:
    """Row i is the table's row i, in a selection and in another order as well."""
    for table in (faces, faces.iloc[[4, 0, 2]].reset_index(drop=True)):
        packed = pack(table, 8, tmp_path / "cache")
        greys = [int(Path(path).stem.split()[1]) for path in table["path"]]
        assert packed.images[:, 0, 0, 0].tolist() == greys
        assert isinstance(packed.images, np.memmap)


def test_disk_full(faces: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is one line that names the folder and the variable; the torn file is gone."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(DataError, match=r"packs: No space left.*FEWSHOT_FER_CACHE"):
        pack(faces, 8, tmp_path / "cache")
    assert files_in(tmp_path / "cache") == []


class Decoding:
    """Counts the pictures that are decoded, and ends the process at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.ends_at, self.plain = "", store.decode
        monkeypatch.setattr(store, "decode", self.decode)
        monkeypatch.setattr(store, "BLOCK", 2)

    def decode(self, path: str, size: int) -> NDArray[np.uint8]:
        if Path(path).name == self.ends_at:
            raise KeyboardInterrupt
        self.done.append(Path(path).name)
        return self.plain(path, size)


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> Decoding:
    return Decoding(monkeypatch)


def test_a_killed_pack_goes_on(faces: pd.DataFrame, tmp_path: Path, decoding: Decoding) -> None:
    """Behind the last whole block, and ends byte for byte as one that nobody disturbed."""
    whole = pack(faces, 8, tmp_path / "whole").file
    decoding.ends_at = "face 5.png"
    with pytest.raises(KeyboardInterrupt):
        pack(faces, 8, tmp_path / "cache")
    decoding.ends_at = ""
    decoding.done.clear()
    packed = pack(faces, 8, tmp_path / "cache").file
    assert decoding.done == ["face 4.png", "face 5.png"]
    assert whole is not None
    assert packed is not None
    assert packed.read_bytes() == whole.read_bytes()
    assert files_in(tmp_path / "cache") == [packed.name]


@pytest.mark.parametrize("damage", ["image", "torn", "sums", "header", "no sums"])
def test_what_a_killed_pack_left_is_not_believed(
    faces: pd.DataFrame, tmp_path: Path, decoding: Decoding, damage: str
) -> None:
    """A disk that lost power: images are kept as far as they have their checksums."""
    right = np.array(pack(faces, 8, tmp_path / "whole").images)
    decoding.ends_at = "face 4.png"
    with pytest.raises(KeyboardInterrupt):
        pack(faces, 8, tmp_path / "cache")
    part, sums = sorted((tmp_path / "cache/packs").iterdir())
    content, first = bytearray(part.read_bytes()), len(part.read_bytes()) - 4 * 192
    if damage == "no sums":
        sums.unlink()
    elif damage == "sums":
        sums.write_bytes(sums.read_bytes()[:9] + b"x" * 20)
    else:
        place = {"image": first + 2 * 192 + 5, "torn": first, "header": 20}[damage]
        content[place] ^= 1
        part.write_bytes(content[: first + 192] if damage == "torn" else content)
    decoding.ends_at = ""
    decoding.done.clear()
    assert np.array_equal(pack(faces, 8, tmp_path / "cache").images, right)
    left = {"image": 4, "torn": 6, "sums": 4, "header": 6, "no sums": 6}[damage]
    assert len(decoding.done) == left
    assert len(files_in(tmp_path / "cache")) == 1


def test_a_picture_that_changes_while_it_is_packed_is_not_kept(
    faces: pd.DataFrame, tmp_path: Path, decoding: Decoding
) -> None:
    """Though it is changed back, and the process that packed it is killed."""
    changing = Path(faces["path"].iloc[1])
    before = changing.read_bytes()

    def decode(path: str, size: int) -> NDArray[np.uint8]:
        Image.new("RGB", (9, 9), (99, 99, 99)).save(changing)
        return store_decode(path, size)

    store_decode, decoding.plain = decoding.plain, decode
    with pytest.raises(DataError, match="changed while they were read"):
        pack(faces, 8, tmp_path / "cache")
    changing.write_bytes(before)
    decoding.plain = store_decode
    packed = pack(faces, 8, tmp_path / "cache")
    assert packed.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_bad_picture_is_told_at_once(
    faces: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of a large data set is not decoded first."""
    decoded = []

    def slow(path: str, size: int) -> NDArray[np.uint8]:
        decoded.append(path)
        if path.endswith("face 1.png"):
            raise DataError(f"{path} is not a picture")
        time.sleep(0.005)
        return np.zeros((3, size, size), dtype=np.uint8)

    monkeypatch.setattr(store, "decode", slow)
    many = pd.concat([faces] * 100, ignore_index=True)
    with pytest.raises(DataError, match=r"face 1\.png is not a picture"):
        pack(many, 8, tmp_path / "cache")
    assert len(decoded) < 100


def test_two_at_once(faces: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that pack the same images at the same time get whole ones, decoded once, in one file."""
    decoded: list[str] = []
    decode = store.decode
    monkeypatch.setattr(
        store, "decode", lambda path, size: decoded.append(path) or decode(path, size)
    )
    with ThreadPoolExecutor(4) as pool:
        packs = list(pool.map(lambda _: pack(faces, 8, tmp_path / "cache"), range(8)))
    assert all(np.array_equal(each.images, packs[0].images) for each in packs)
    assert files_in(tmp_path / "cache") == [f"{packs[0].fingerprint}.npy"]
    assert sorted(decoded) == sorted(faces["path"])


def test_a_flipped_byte_is_found_when_the_pack_is_opened(
    faces: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever in an image or in the checksums a disk fails: one line, and all is made anew."""
    good = np.array(pack(faces, 8, tmp_path / "cache").images)
    (file,) = (tmp_path / "cache/packs").iterdir()
    content = file.read_bytes()
    first = len(content) - 6 * 4 - 6 * 192
    for count, place in enumerate((first, first + 2 * 192 + 7, first + 6 * 192 - 1, -1), start=1):
        damaged = bytearray(content)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        for _ in range(2):
            assert np.array_equal(pack(faces, 8, tmp_path / "cache").images, good)
        assert file.read_bytes() == content
        assert caplog.text.count("is damaged: its images are decoded again") == count


def test_a_pack_that_changes_while_in_use(faces: pd.DataFrame, tmp_path: Path) -> None:
    """Deleted it stays what it was; cut off it is one line, where a map would end the process."""
    packed = pack(faces, 8, tmp_path / "cache")
    assert packed.file is not None
    good, kept = np.array(packed.images), packed.file.read_bytes()
    for size in (300, len(kept) - 6 * 4 - 1):  # the last: a byte of the last image is gone
        os.truncate(packed.file, size)
        with pytest.raises(DataError, match="was cut off while it was in use"):
            packed.take(np.array([5]))
        packed.file.write_bytes(kept)
    packed = pack(faces, 8, tmp_path / "cache")
    packed.file.unlink()  # type: ignore[union-attr]
    assert np.array_equal(packed.take(np.arange(6)), good)


def test_a_large_pack_is_held_against_its_checksums_where_it_is_used(
    faces: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged image is never handed out; the pack is removed, and made anew the next time."""
    monkeypatch.setattr(pack_file, "AT_ONCE", 0)
    packed = pack(faces, 8, tmp_path / "cache")
    assert packed.file is not None
    content = bytearray(packed.file.read_bytes())
    content[len(content) - 6 * 4 - 2 * 192] ^= 1  # of the fifth image
    packed.file.write_bytes(content)
    packed = pack(faces, 8, tmp_path / "cache")
    for rows in ([0, 1, 5], [1, 3]):
        assert packed.take(np.array(rows))[:, 0, 0, 0].tolist() == rows
    with pytest.raises(DataError, match="is damaged, and removed: run again"):
        packed.take(np.array([3, 4]))
    packed = pack(faces, 8, tmp_path / "cache")
    assert packed.take(np.arange(6))[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
