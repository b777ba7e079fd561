"""Pixels: what each kind of picture becomes, and that a damaged one is one clear error."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data.decode import decode
from fewshot_fer.data.load import find_bad_images
from fewshot_fer.system.errors import DataError


def noise(height: int = 24, width: int = 24) -> Image.Image:
    random = np.random.default_rng(height * width)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def plain(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    square = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square).transpose(2, 0, 1)


@pytest.mark.parametrize(("orientation", "turn"), [(3, 180), (6, 270), (8, 90)])
def test_orientation_of_photographs(tmp_path: Path, orientation: int, turn: int) -> None:
    """Photographs of telephones are stored lying down: faces must stand upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise().save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(decode(tmp_path / "photo.png", 16), plain(noise().rotate(turn), 16))


def test_proportions_are_kept(tmp_path: Path) -> None:
    """A tall picture is cut to its middle square, not squeezed."""
    noise(height=40).save(tmp_path / "tall.png")
    middle = noise(height=40).crop((0, 8, 24, 32))
    assert np.array_equal(decode(str(tmp_path / "tall.png"), 12), plain(middle, 12))


def test_sixteen_bits(tmp_path: Path) -> None:
    """16-bit grey spans black to white, where Pillow alone would make it nearly all white."""
    deep = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(deep).save(tmp_path / name)
        pixels = decode(tmp_path / name, 16)
        assert np.abs(pixels.astype(int) - (deep / 257)[None]).max() <= 1


def test_transparent_pictures_lie_on_black(tmp_path: Path) -> None:
    """Alpha of RGBA, grey with alpha, and a palette's clear colour: what is hidden stays hidden."""
    hidden = Image.new("RGBA", (8, 8), (200, 100, 50, 0))
    hidden.paste((200, 100, 50, 255), (0, 0, 8, 4))
    hidden.save(tmp_path / "colour.png")
    hidden.convert("LA").save(tmp_path / "grey.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.paste(0, (0, 4, 8, 8))
    palette.save(tmp_path / "palette.png", transparency=0)
    for name in ("colour.png", "grey.png", "palette.png"):
        pixels = decode(tmp_path / name, 8)
        assert pixels[:, 4:].max() == 0
        assert pixels[:, :4].min() >= 50


def test_one_bit_and_float_pictures(tmp_path: Path) -> None:
    """Rare kinds decode to three channels of uint8 as well."""
    Image.new("1", (5, 7), 1).save(tmp_path / "bit.png")
    Image.new("F", (5, 7), 0.6).save(tmp_path / "float.tiff")
    for name in ("bit.png", "float.tiff"):
        pixels = decode(tmp_path / name, 4)
        assert pixels.shape == (3, 4, 4)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous


@pytest.mark.parametrize("name", ["a b.jpg", "얼굴.jpg", "🙂 (1).jpg", "ünïcödé.PNG"])
def test_names_of_any_kind(tmp_path: Path, name: str) -> None:
    """Blanks, Korean and emoji in a name are nothing special, nor in the error about it."""
    noise().save(tmp_path / name)
    assert decode(tmp_path / name, 8).shape == (3, 8, 8)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="is not a picture") as caught:
        decode(tmp_path / name, 8)
    assert str(tmp_path / name) in str(caught.value)


def test_truncated_jpeg(tmp_path: Path) -> None:
    """A copy that broke off is named; its grey lower half never becomes a training image."""
    path = tmp_path / "broken.jpg"
    noise(200, 200).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"broken\.jpg cannot be decoded: .*truncated"):
        decode(path, 8)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["jpg", "png", "tiff", "bmp", "webp"])
def test_damaged_files_never_raise_anything_else(tmp_path: Path, ending: str) -> None:
    """Pillow has no one exception for damaged files: all of them become a DataError in one line."""
    path = tmp_path / f"face.{ending}"
    noise().save(path, **({"exif": Image.Exif()} if ending != "bmp" else {}))
    content, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(content)
        for place in random.integers(0, min(len(damaged), 200), 4):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            message = f"{path} {decode(path, 8).shape}"
        except DataError as error:
            message = str(error)
        assert str(path) in message
        assert "\n" not in message


def test_warnings_are_left_as_they_were(tmp_path: Path) -> None:
    """Decoding in many threads at once does not change the filters of the whole process."""
    noise().save(tmp_path / "face.jpg")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, [tmp_path / "face.jpg"] * 200, [8] * 200))
    assert list(warnings.filters) == before


@pytest.mark.parametrize("limit", [400, 200])
def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Above the limit, where Pillow warns, and above twice that, where it raises: one error that
    names what raises the limit."""
    noise().save(tmp_path / "bomb.png")
    monkeypatch.setenv("FEWSHOT_FER_MAX_PIXELS", str(limit))
    with pytest.raises(DataError, match=r"bomb\.png is too large"):
        decode(tmp_path / "bomb.png", 8)
    monkeypatch.setenv("FEWSHOT_FER_MAX_PIXELS", "100000")
    decode(tmp_path / "bomb.png", 8)


def test_other_formats_are_no_pictures(tmp_path: Path) -> None:
    """Protects from what Pillow would do beside decoding: EPS goes to Ghostscript, under any
    name."""
    noise().save(tmp_path / "face.eps")
    (tmp_path / "face.eps").rename(tmp_path / "face.jpg")
    with pytest.raises(DataError, match=r"face\.jpg is not a picture"):
        decode(tmp_path / "face.jpg", 8)


def test_what_never_ends_is_not_opened(tmp_path: Path) -> None:
    """A path from a stranger's file may name a pipe or a device."""
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", "/dev/zero", tmp_path):
        with pytest.raises(DataError, match="cannot be decoded: it is no regular file"):
            decode(path, 8)


def test_a_raised_limit_is_noticed_by_what_was_found_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that were left out for their size are tried again where more is allowed."""
    noise().save(tmp_path / "large.png")
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(tmp_path / "cache"))
    found = []
    for limit in (200, 100_000, 200):
        monkeypatch.setenv("FEWSHOT_FER_MAX_PIXELS", str(limit))
        found.append(len(find_bad_images([str(tmp_path / "large.png")], 8)))
    assert found == [1, 0, 1]
