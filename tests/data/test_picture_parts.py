"""Pictures that are part of a file: a box in a photograph, a row of a list of pixels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fewshot_fer.data.decode import decode, read_picture
from fewshot_fer.data.fingerprint import file_digests
from fewshot_fer.data.picture_parts import boxed, file_of, is_part, square_of
from fewshot_fer.system.errors import DataError

SIDE = 48


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    file = tmp_path / "group.png"
    pixels = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def pixel_list(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A list of three pictures in quotes and without, lines ended as on Windows."""
    levels = np.random.default_rng(4).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
    rows = [" ".join(map(str, picture.ravel())) for picture in levels]
    lines = ["emotion, Usage, pixels", f"0,Training,{rows[0]}", f'3,PublicTest,"{rows[1]}"']
    file = tmp_path / "pixels.csv"
    file.write_bytes("\r\n".join([*lines, f"6,PrivateTest, {rows[2]}"]).encode("utf-8-sig"))
    return file, levels


def test_a_box_is_cut_out(photograph: Path) -> None:
    """The very pixels within it; what leads over an edge ends there."""
    whole = read_picture(photograph)
    part = boxed(str(photograph), (10, 20, 40, 50))
    assert (read_picture(part) == whole[20:50, 10:40]).all()
    assert (decode(part, 30) == whole[20:50, 10:40].transpose(2, 0, 1)).all()
    assert read_picture(f"{photograph}#xywh=70,0,30,30").shape == (30, 10, 3)


def test_a_row_is_read(pixel_list: tuple[Path, np.ndarray]) -> None:
    """By its number, the header being the first, whatever quotes and blanks there are."""
    file, levels = pixel_list
    for place, picture in enumerate(levels):
        found = read_picture(f"{file}#row={place + 2}")
        assert (found == picture[..., None]).all()


@pytest.mark.parametrize("part", ["xywh=80,0,5,5", "xywh=0,0,0,9", "row=2"])
def test_what_is_not_there_is_an_error_that_names_it(photograph: Path, part: str) -> None:
    """A photograph has no rows, and no pixel outside."""
    with pytest.raises(DataError, match=f"group.png#{part}"):
        read_picture(f"{photograph}#{part}")


@pytest.mark.parametrize(("number", "reason"), [(1, "rows 2..4"), (5, "rows 2..4")])
def test_a_row_that_is_not_there(
    pixel_list: tuple[Path, np.ndarray], number: int, reason: str
) -> None:
    """Row 1 is the header."""
    with pytest.raises(DataError, match=reason):
        read_picture(f"{pixel_list[0]}#row={number}")


@pytest.mark.parametrize("text", ["", "1 2 3", "1 2 3 256", "1 2 3 -4", "1 2 3 x"])
def test_pixels_that_are_no_square_of_grey_levels(text: str) -> None:
    """Damaged rows are refused, not padded."""
    with pytest.raises(ValueError, match="pixel"):
        square_of(text)


def test_parts_have_digests_of_their_own(photograph: Path, tmp_path: Path) -> None:
    """That change with the file, are told apart, and are the same wherever it lies."""
    parts = [str(photograph), f"{photograph}#xywh=0,0,9,9", f"{photograph}#xywh=1,0,9,9"]
    before = file_digests(parts, tmp_path / "cache")
    assert len(np.unique(before, axis=0)) == len(parts)
    assert (before[0] == file_digests(parts[:1], tmp_path / "cache")[0]).all()
    moved = photograph.rename(tmp_path / "moved.png")
    there = [part.replace("group.png", moved.name) for part in parts]
    assert (file_digests(there, tmp_path / "cache") == before).all()
    assert not file_digests(parts, tmp_path / "cache").any()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_other_names_are_files(name: str) -> None:
    """Any text that is no part stays as it is."""
    assert (file_of(name) == name) == (not is_part(name))
