"""Two decoders, one outcome: the same pixels, and the same refusals."""

import importlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fewshot_fer.data import jpeg
from fewshot_fer.data.decode import decode
from fewshot_fer.system.errors import DataError

OFTEN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def by(decoder: str, path: Path) -> np.ndarray | str:
    """Decode with torchvision or with Pillow alone; return the pixels or the complaint."""
    with pytest.MonkeyPatch.context() as patch:
        importlib.import_module(jpeg.MODULE)
        if decoder == "pillow":
            patch.setattr(jpeg, "MODULE", "no such module")
        try:
            return decode(path, 32)
        except DataError as error:
            return str(error)


def picture(seed: int, width: int, height: int, mode: str) -> Image.Image:
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    quality=st.integers(5, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    orientation=st.integers(1, 8),
)
def test_both_give_the_same_pixels(
    tmp_path: Path,
    seed: int,
    size: tuple[int, int],
    mode: str,
    quality: int,
    subsampling: int,
    progressive: bool,
    orientation: int,
) -> None:
    """Whatever the size, the colours, the compression and the side that is up."""
    exif = Image.Exif()
    exif[jpeg.ORIENTATION] = orientation
    picture(seed, *size, mode).save(
        tmp_path / "a.jpg",
        quality=quality,
        subsampling=subsampling,
        progressive=progressive,
        exif=exif,
    )
    np.testing.assert_array_equal(
        by("torchvision", tmp_path / "a.jpg"), by("pillow", tmp_path / "a.jpg")
    )


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_both_refuse_the_same_files(tmp_path: Path, data: st.DataObject) -> None:
    """Cut off, overwritten or lengthened: the same complaint, or the same pixels."""
    stream = io.BytesIO()
    picture(1, 60, 60, "RGB").save(stream, format="JPEG")
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    tail = data.draw(st.sampled_from([b"", b"\0\0", jpeg.END, b"text"]))
    path = tmp_path / "damaged.jpg"
    path.write_bytes(bytes(content[:end]) + tail)
    one, other = by("torchvision", path), by("pillow", path)
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
    else:
        np.testing.assert_array_equal(one, other)


def test_torchvision_is_imported_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few thousand images are decoded sooner than it is imported; without it nothing fails."""
    asked: list[str] = []
    monkeypatch.setattr(jpeg.importlib, "import_module", asked.append)
    jpeg.prepare_decoder(jpeg.PAYS - 1)
    assert asked == []
    jpeg.prepare_decoder(jpeg.PAYS)
    assert asked == ["torchvision.io"]
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, jpeg.MODULE, None)
    jpeg.prepare_decoder(jpeg.PAYS)
