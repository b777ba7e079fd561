"""Packed images: the pixels of every kind of file, and a cache that is never wrong."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data import packed_images as store
from fewshot_fer.data.cache_folder import cache_folder
from fewshot_fer.data.decode import decode
from fewshot_fer.data.packed_images import FaceImages, pack
from fewshot_fer.data.table import make_table
from fewshot_fer.system.errors import DataError


def gradient(width: int = 60, height: int = 60) -> NDArray[np.uint8]:
    rows = np.linspace(0, 255, height)[:, None, None]
    columns = np.linspace(0, 255, width)[None, :, None]
    return np.concatenate(
        [rows + 0 * columns, columns + 0 * rows, (rows + columns) / 2], axis=2
    ).astype(np.uint8)


def table_of(*paths: Path) -> pd.DataFrame:
    return make_table(
        [{"path": str(p), "label": "x", "split": "all", "dataset": "d"} for p in paths]
    )


@pytest.fixture
def faces(tmp_path: Path) -> pd.DataFrame:
    paths = []
    random = np.random.default_rng(0)
    for number in range(5):
        path = tmp_path / "faces" / f"얼굴 {number} 🙂.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    return table_of(*paths)


def test_pixels_equal_a_plain_decode(faces: pd.DataFrame, tmp_path: Path) -> None:
    """Row i of the array is row i of the table, decoded and resized as Pillow does it."""
    packed = pack(faces, 32, tmp_path / "cache")
    assert packed.images.shape == (5, 3, 32, 32)
    for row, path in enumerate(faces["path"]):
        plain = Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        assert np.array_equal(packed.images[row], np.asarray(plain).transpose(2, 0, 1))


def test_second_time_nothing_is_decoded(
    faces: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache answers, until a file or the size changes."""
    first = pack(faces, 32, tmp_path / "cache")

    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(store, "decode", fail)
    again = pack(faces, 32, tmp_path / "cache")
    assert np.array_equal(first.images, again.images)
    with pytest.raises(AssertionError, match="decoded again"):
        pack(faces, 24, tmp_path / "cache")
    monkeypatch.undo()
    Image.fromarray(gradient()).save(faces["path"].iloc[2])
    changed = pack(faces, 32, tmp_path / "cache")
    assert changed.fingerprint != first.fingerprint
    assert not np.array_equal(changed.images[2], first.images[2])
    assert np.array_equal(changed.images[3], first.images[3])


@pytest.mark.parametrize("damage", ["torn", "empty", "text", "zip", "header", "other"])
def test_damaged_cache_is_rebuilt(faces: pd.DataFrame, tmp_path: Path, damage: str) -> None:
    """A cut, empty or foreign file in the cache is replaced, never used."""
    cache = tmp_path / "cache"
    good = np.array(pack(faces, 32, cache).images)
    (file,) = (cache / "packs").iterdir()
    if damage == "other":
        np.save(file.with_suffix(""), np.zeros((5, 3, 8, 8), dtype=np.uint8))
        Path(f"{file.with_suffix('')}.npy").replace(file)
    else:
        content = file.read_bytes()
        file.unlink()
        wrong = {"torn": content[:-10], "empty": b"", "text": b"hello", "zip": b"PK\x03\x04junk"}
        wrong["header"] = b"\x93NUMPY\x01\x00\x10\x00{'descr': ("
        file.write_bytes(wrong[damage])
    assert np.array_equal(pack(faces, 32, cache).images, good)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a picture"), (b"hello", "not a picture"), (None, "cannot be decoded")],
)
def test_bad_pictures_are_named_and_leave_nothing(
    faces: pd.DataFrame, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """Empty, text and truncated files: one line with the path, and no half cache."""
    path = Path(faces["path"].iloc[3])
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(DataError, match=reason) as error:
        pack(faces, 32, tmp_path / "cache")
    assert str(path) in str(error.value)
    assert not list((tmp_path / "cache/packs").iterdir())


def test_vanished_file_and_unwritable_cache_are_named(faces: pd.DataFrame, tmp_path: Path) -> None:
    """A picture that is gone, a folder in its place, a cache folder that is a file."""
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="FEWSHOT_FER_CACHE"):
        pack(faces, 32, tmp_path / "file")
    Path(faces["path"].iloc[0]).unlink()
    with pytest.raises(DataError, match="No such file"):
        pack(faces, 32, tmp_path / "cache")
    Path(faces["path"].iloc[0]).mkdir()
    with pytest.raises(DataError, match="cannot be decoded"):
        pack(faces, 32, tmp_path / "cache")


def saved(tmp_path: Path, picture: Image.Image, name: str, **options: object) -> NDArray[np.int64]:
    path = tmp_path / name
    picture.save(path, **options)  # type: ignore[arg-type]
    return decode(path, 60).astype(np.int64).transpose(1, 2, 0)


def test_kinds_of_pictures(tmp_path: Path) -> None:
    """Grey, palette, CMYK and animated pictures look as they should."""
    colour = Image.fromarray(gradient())
    grey = colour.convert("L")
    assert np.abs(saved(tmp_path, colour, "c.png") - gradient()).max() == 0
    assert np.abs(saved(tmp_path, grey, "g.png") - np.asarray(grey)[..., None]).max() == 0
    assert (
        np.abs(saved(tmp_path, colour.convert("CMYK"), "k.jpg", quality=98) - gradient()).mean() < 5
    )
    assert np.abs(saved(tmp_path, colour.quantize(256), "p.png") - gradient()).mean() < 8
    frames = [colour, Image.new("RGB", (60, 60))]
    animated = saved(tmp_path, frames[0], "m.gif", save_all=True, append_images=frames[1:])
    assert np.abs(animated - gradient()).mean() < 10


def test_cache_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable first, else the user's cache folder."""
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FEWSHOT_FER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "user/fewshot_fer"
    monkeypatch.setenv("HOME", str(tmp_path))
    for useless in ("", "user"):  # a relative one would be another folder from everywhere
        monkeypatch.setenv("XDG_CACHE_HOME", useless)
        assert cache_folder() == tmp_path / ".cache/fewshot_fer"


@pytest.mark.skipif(sys.platform == "win32", reason="asks for a list of users")
def test_no_home_folder_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container for a user whom it does not know."""
    import pwd

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for variable in ("HOME", "XDG_CACHE_HOME", "FEWSHOT_FER_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(DataError, match="FEWSHOT_FER_CACHE"):
        cache_folder()
    monkeypatch.setenv("FEWSHOT_FER_CACHE", "~/cache")
    with pytest.raises(DataError, match="FEWSHOT_FER_CACHE"):
        cache_folder()


def test_a_set_that_a_gpu_has_no_room_for_stays_on_the_disk(
    faces: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line says so; no test here has a GPU to read batches for."""
    packed = pack(faces, 32, tmp_path / "cache")
    monkeypatch.setattr(store, "room_for_images", lambda device: packed.images.nbytes - 1)
    assert not FaceImages(packed, torch.device("cuda")).on_device
    assert "5 images take 0.0 GB, and the GPU has room for 0.0 GB" in caplog.text
    assert str(packed.file) in caplog.text


def test_images_on_their_device_are_those_of_the_file(faces: pd.DataFrame, tmp_path: Path) -> None:
    """Rows that lie there too, as a captured step has them, are gathered alike."""
    packed, rows = pack(faces, 32, tmp_path / "cache"), np.array([3, 0, 3])
    held = FaceImages(packed, torch.device("cpu"), on_device=True)
    expected = torch.from_numpy(packed.images[rows])
    assert torch.equal(held.gather(rows), expected)
    assert torch.equal(held.resident(torch.from_numpy(rows)), expected)
