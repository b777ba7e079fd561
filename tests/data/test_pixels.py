"""Pixels of every mode and depth: what a file says, by a formula of its own, or a clear refusal."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from fewshot_fer.data.decode import decode
from fewshot_fer.system.errors import DataError

Numbers = NDArray[np.generic]
RANDOM = np.random.default_rng(18)
GREY8 = np.append([0, 255], RANDOM.integers(0, 256, 62)).astype(np.uint8).reshape(8, 8)
GREY16 = np.append([0, 65_535], RANDOM.integers(0, 65_536, 62)).astype(np.uint16).reshape(8, 8)
SHARES = (GREY16 / 65_535).astype(np.float32)
COLOUR = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)
COLOUR16 = RANDOM.integers(0, 65_536, (8, 8, 3)).astype(np.uint16)
ALPHA = RANDOM.integers(0, 256, (8, 8), dtype=np.uint8)
ONE, TWO, THREE = 1, 2, 3  # kinds of numbers in a TIFF: unsigned, signed, float


def tiff(
    values: Numbers, photometric: int, kind: int = ONE, planar: int = 1, bits: int = 0
) -> bytes:
    """Return a TIFF of one strip a plane, written byte by byte as its specification says.

    Values whose highest byte comes first are compressed."""
    height, width = values.shape[:2]
    samples = 1 if values.ndim == 2 else values.shape[2]
    bits = bits or 8 * values.itemsize
    stored = np.moveaxis(values, 2, 0) if planar == 2 else values
    data = _packed(values, bits) if bits == 12 else stored.tobytes()
    is_big = values.dtype.byteorder == ">"
    head = b"MM\0*\0\0\0\x08" if is_big else b"II*\0\x08\0\0\0"
    data = zlib.compress(data) if is_big else data
    tags = ImageFileDirectory_v2(head)
    tags[256], tags[257], tags[259], tags[262] = width, height, 8 if is_big else 1, photometric
    tags[258], tags[339] = (bits,) * samples, (kind,) * samples
    tags[277], tags[278], tags[284] = samples, height, planar
    size = len(data) // (samples if planar == 2 else 1)
    parts = samples if planar == 2 else 1
    tags[279] = (size,) * parts
    if samples == 4 and photometric == 2:
        tags[338] = (2,)
    tags[273] = tuple(size * part for part in range(parts))  # Pillow adds where data begin
    return head + tags.tobytes(8) + data


def _packed(values: Numbers, bits: int) -> bytes:
    each = (values.ravel()[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.astype(np.uint8)).tobytes()


def png(values: Numbers, bits: int, kind: int, clear: bytes = b"", palette: bytes = b"") -> bytes:
    """Return a PNG. kind: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha."""
    rows = [
        _packed(row, bits) if bits < 8 else row.astype(f">u{bits // 8}").tobytes() for row in values
    ]
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, kind, 0, 0, 0)
    chunks = [
        (b"IHDR", head),
        (b"gAMA", struct.pack(">I", 30_000)),
        (b"PLTE", palette),
        (b"tRNS", clear),
    ]
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))]
    filled = [(name, data) for name, data in [*chunks] if data] + [(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in filled
    )


def hidden(pixels: Numbers, where: Numbers) -> Numbers:
    return np.where(where if pixels.ndim == 2 else where[..., None], 0, pixels)


def over_black(pixels: Numbers, alpha: Numbers) -> Numbers:
    return pixels * (alpha / 255 if pixels.ndim == 2 else alpha[..., None] / 255)


SMALL = GREY8 // 64  # 0..3
PALETTE = RANDOM.integers(0, 256, (4, 3), dtype=np.uint8)
OF_CLASSES = np.array([0, 128, 255, 255])  # alpha of the palette's colours
CMYK = np.dstack([COLOUR, ALPHA])
READ: dict[str, tuple[bytes, Numbers]] = {
    "grey TIFF": (tiff(GREY8, 1), GREY8),
    "grey TIFF, 0 is white": (tiff(GREY8, 0), 255 - GREY8),
    "12-bit TIFF": (tiff(GREY16 >> 4, 1, bits=12), (GREY16 >> 4) / 4095 * 255),
    "16-bit TIFF": (tiff(GREY16, 1), GREY16 / 257),
    "16-bit TIFF, 0 is white": (tiff(GREY16, 0), 255 - GREY16 / 257),
    "16-bit TIFF, compressed, highest byte first": (tiff(GREY16.astype(">u2"), 1), GREY16 / 257),
    "float TIFF": (tiff(SHARES, 1, THREE), 255 * SHARES),
    "float TIFF, 0 is white": (tiff(SHARES, 0, THREE), 255 - 255 * SHARES),
    "RGB TIFF": (tiff(COLOUR, 2), COLOUR),
    "RGB TIFF in planes": (tiff(COLOUR, 2, planar=2), COLOUR),
    "16-bit RGB TIFF": (tiff(COLOUR16, 2), COLOUR16 / 257),
    "RGBA TIFF": (tiff(CMYK, 2), over_black(COLOUR, ALPHA)),
    "CMYK TIFF": (tiff(CMYK, 5), (255 - COLOUR) * (1 - ALPHA[..., None] / 255)),
    "PNG of 2 bits": (png(SMALL, 2, 0), SMALL * 85),
    "PNG of 2 bits, white is clear": (png(SMALL, 2, 0, b"\0\3"), hidden(SMALL * 85, SMALL == 3)),
    "PNG of 4 bits, 9 is clear": (
        png(GREY8 // 16, 4, 0, b"\0\x09"),
        hidden(GREY8 // 16 * 17, GREY8 // 16 == 9),
    ),
    "PNG of 1 bit, white is clear": (png(GREY8 // 128, 1, 0, b"\0\1"), 0 * GREY8),
    "grey PNG": (png(GREY8, 8, 0), GREY8),
    "16-bit PNG": (png(GREY16, 16, 0), GREY16 / 257),
    "16-bit PNG, one is clear": (
        png(GREY16, 16, 0, int(GREY16[3, 3]).to_bytes(2, "big")),
        hidden(GREY16 / 257, GREY16[3, 3] == GREY16),
    ),
    "RGB PNG, one is clear": (
        png(COLOUR, 8, 2, COLOUR[3, 3].astype(">u2").tobytes()),
        hidden(COLOUR, (COLOUR[3, 3] == COLOUR).all(axis=2)),
    ),
    "16-bit RGB PNG": (png(COLOUR16, 16, 2), COLOUR16 / 257),
    "palette PNG": (png(SMALL, 2, 3, palette=PALETTE.tobytes()), PALETTE[SMALL]),
    "palette PNG, half clear": (
        png(SMALL, 2, 3, OF_CLASSES[:2].astype(np.uint8).tobytes(), PALETTE.tobytes()),
        over_black(PALETTE[SMALL], OF_CLASSES[SMALL]),
    ),
    "grey PNG with alpha": (png(np.dstack([GREY8, ALPHA]), 8, 4), over_black(GREY8, ALPHA)),
    "16-bit grey PNG with alpha": (
        png(np.dstack([GREY16, ALPHA.astype(np.uint16) * 257]), 16, 4),
        over_black(GREY16 / 257, ALPHA),
    ),
    "PNG with alpha": (png(CMYK, 8, 6), over_black(COLOUR, ALPHA)),
    "16-bit PGM": (b"P5 8 8 65535\n" + GREY16.astype(">u2").tobytes(), GREY16 / 257),
    "12-bit PGM": (
        b"P5 8 8 4095\n" + (GREY16 >> 4).astype(">u2").tobytes(),
        (GREY16 >> 4) / 4095 * 255,
    ),
    "float PFM": (b"Pf\n8 8\n-1.0\n" + SHARES[::-1].astype("<f4").tobytes(), 255 * SHARES),
}
"""Name -> the bytes of a file, and its pixels [8, 8] or [8, 8, 3] by what its format says."""


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_right(tmp_path: Path, name: str) -> None:
    """Within one level of 255 (two roundings); gamma and profiles are left aside, as by OpenCV."""
    content, expected = READ[name]
    (tmp_path / "face.png").write_bytes(content)
    expected = np.broadcast_to(expected[..., None] if expected.ndim == 2 else expected, (8, 8, 3))
    assert np.abs(decode(tmp_path / "face.png", 8).transpose(1, 2, 0) - expected).max() <= 1.01


REFUSED = {
    "32-bit integers": tiff(GREY16.astype(np.uint32), 1),
    "signed 32-bit integers": tiff(GREY8.astype(np.int32), 1, TWO),
    "signed 16-bit integers": tiff(GREY16.view(np.int16), 1, TWO),
    "signed bytes": tiff(GREY8.view(np.int8), 1, TWO),
    "floats up to 255": tiff(255 * SHARES, 1, THREE),
    "a float that is no number": tiff(np.where(SHARES == 1, np.nan, SHARES), 1, THREE),
    "compressed floats, highest byte first": tiff((SHARES > 0.5).astype(">f4"), 1, THREE),
    "64-bit floats": tiff(SHARES.astype(np.float64), 1, THREE),
    "16-bit colours in planes": tiff(COLOUR16, 2, planar=2),
    "YCbCr without compression": tiff(np.tile(COLOUR, (2, 1, 1)), 6),
    "a clear colour of 16 bits": png(COLOUR16, 16, 2, COLOUR16[3, 3].astype(">u2").tobytes()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_agreed_white_or_is_read_wrongly_is_refused(tmp_path: Path, name: str) -> None:
    """Protects from a wrong picture without a word: one line that names the file."""
    (tmp_path / "face.tif").write_bytes(REFUSED[name])
    with pytest.raises(DataError, match=r"face\.tif") as caught:
        decode(tmp_path / "face.tif", 8)
    assert "\n" not in str(caught.value)


def test_cmyk_of_photoshop(tmp_path: Path) -> None:
    """A JPEG with Adobe's marker stores inks upside down, which must be undone once."""
    inks = np.full((8, 8, 4), (30, 60, 90, 20), dtype=np.uint8)
    Image.frombytes("CMYK", (8, 8), inks.tobytes()).save(tmp_path / "ink.jpg", quality=100)
    assert b"Adobe" in (tmp_path / "ink.jpg").read_bytes()
    expected = (255 - np.array([30, 60, 90])) * (1 - 20 / 255)
    assert np.abs(decode(tmp_path / "ink.jpg", 8)[:, 4, 4] - expected).max() <= 2


def test_lab(tmp_path: Path) -> None:
    """CIELAB with the white of D50, by its formula and Bradford's matrix to sRGB."""
    lab = np.array([(55, 20, 10), (70, -15, 20), (30, 5, -25), (90, 0, 0)], dtype=np.float64)
    stored = (
        np.column_stack([lab[:, 0] * 2.55, lab[:, 1:]]).round().astype(np.int16).astype(np.uint8)
    )
    (tmp_path / "lab.tif").write_bytes(tiff(stored.reshape(2, 2, 3), 8))
    middle = (lab[:, 0] + 16) / 116
    cubes = np.column_stack([middle + lab[:, 1] / 500, middle, middle - lab[:, 2] / 200]) ** 3
    xyz = cubes * (0.9642, 1, 0.8249)  # all above 6/29
    to_rgb = np.array(
        [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    )
    linear = (xyz @ to_rgb.T).clip(0, 1)
    expected = 255 * np.where(
        linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear
    )
    assert (
        np.abs(decode(tmp_path / "lab.tif", 2).transpose(1, 2, 0).reshape(4, 3) - expected).max()
        < 3
    )


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_the_first_of_several_frames(tmp_path: Path, kind: str) -> None:
    """Pages of a TIFF and frames of an animation: the first is the picture."""
    first, second = Image.new("RGB", (8, 8), (250, 10, 10)), Image.new("RGB", (8, 8), (10, 10, 250))
    more = {"lossless": True} if kind == "WEBP" else {}
    first.save(tmp_path / "face", kind, save_all=True, append_images=[second], **more)
    assert np.abs(decode(tmp_path / "face", 8)[:, 4, 4] - np.array([250.0, 10, 10])).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format(tmp_path: Path, kind: str, orientation: int) -> None:
    """Turned once and not twice: some of Pillow's readers turn by themselves. All eight of EXIF."""
    upright = np.zeros((16, 16, 3), dtype=np.uint8)
    upright[:8, :8], upright[:8, 8:] = (250, 0, 0), (0, 250, 0)
    store = {1: np.array, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud}
    store |= {5: lambda a: np.transpose(a, (1, 0, 2)), 6: lambda a: np.rot90(a, 1)}
    store |= {7: lambda a: np.rot90(np.transpose(a, (1, 0, 2)), 2), 8: lambda a: np.rot90(a, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(store[orientation](upright)))
    stored.save(tmp_path / "face", kind, exif=exif)
    corners = decode(tmp_path / "face", 16)[:, [2, 2, 13, 13], [2, 13, 2, 13]]
    assert (corners.argmax(axis=0)[:2] == [0, 1]).all()
    assert corners[:, 2:].max() < 60


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_a_single_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    """A picture of one pixel, or one across, is that colour all over."""
    Image.new("RGB", size, (7, 8, 9)).save(tmp_path / "dot.png")
    assert (decode(tmp_path / "dot.png", 4) == np.array([7, 8, 9])[:, None, None]).all()
