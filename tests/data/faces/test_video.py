"""Frames of videos: in order, at the rate asked for, and damage in one line."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from films import write_film

from fewshot_fer.data.faces import video as videos
from fewshot_fer.data.faces.video import read_frames
from fewshot_fer.system.errors import ConfigError, DataError


def brighter() -> list[np.ndarray]:
    """Return twenty frames, each brighter than the one before."""
    return [np.full((48, 64, 3), 10 + 10 * number, dtype=np.uint8) for number in range(20)]


@pytest.mark.parametrize("ending", ["avi", "mp4", "mkv"])
def test_frames_come_in_order(tmp_path: Path, ending: str) -> None:
    """All of them, with their number, time and pixels."""
    write_film(tmp_path / f"clip.{ending}", brighter())
    frames = list(read_frames(tmp_path / f"clip.{ending}"))
    assert [frame.number for frame in frames] == list(range(20))
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(20) / 10, abs=0.02)
    for number, frame in enumerate(frames):
        assert frame.pixels.shape == (48, 64, 3)
        assert frame.pixels.mean() == pytest.approx(10 + 10 * number, abs=4)


@pytest.mark.parametrize("ending", ["avi", "m3u8"])
def test_no_list_of_other_files_is_followed(tmp_path: Path, ending: str) -> None:
    """Some lists of files are read as one video, under any name: a stranger's could name yours."""
    write_film(tmp_path / "other.avi", brighter())
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.avi\n#EXT-X-ENDLIST\n"
    for text in ("ffconcat version 1.0\nfile other.avi\n", playlist):
        (tmp_path / f"clip.{ending}").write_text(text)
        with pytest.raises(DataError, match="is no video, or damaged"):
            list(read_frames(tmp_path / f"clip.{ending}"))


@pytest.mark.parametrize(("fps", "expected"), [(5, 10), (10, 20), (100, 20), (1, 2), (3, 6)])
def test_a_rate_picks_frames_evenly(tmp_path: Path, fps: float, expected: int) -> None:
    """Never more than there are, and the first among them."""
    write_film(tmp_path / "clip.avi", brighter())
    numbers = [frame.number for frame in read_frames(tmp_path / "clip.avi", fps)]
    assert numbers[0] == 0
    assert len(numbers) == expected
    assert np.ptp(np.diff(numbers)) <= 1


def test_a_rate_bridges_gaps_and_a_late_start(tmp_path: Path) -> None:
    """Times that begin at 10 s and jump by 20 s are followed, and no frame is taken to catch up."""
    places = [*range(100, 110), *range(300, 310)]
    write_film(tmp_path / "clip.mkv", brighter(), places=places)
    frames = list(read_frames(tmp_path / "clip.mkv", 5))
    expected = [*np.arange(10.0, 11.0, 0.2), *np.arange(30.0, 31.0, 0.2)]
    assert [frame.seconds for frame in frames] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("matrix", "shape", "brightest"),
    [
        ((0, 1, -1, 0), (64, 48), np.s_[48:]),  # right becomes down: a quarter clockwise
        ((0, -1, 1, 0), (64, 48), np.s_[:16]),
        ((-1, 0, 0, -1), (48, 64), np.s_[:, :16]),
        ((1, 0, 0, 1), (48, 64), np.s_[:, 48:]),
    ],
)
def test_a_turned_camera_is_set_upright(
    tmp_path: Path,
    matrix: tuple[int, ...],
    shape: tuple[int, int],
    brightest: slice | tuple[slice, ...],
) -> None:
    """The header's matrix, x' = a x + c y and y' = b x + d y, says where the right edge goes."""
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[:, 48:] = 250
    write_film(tmp_path / "clip.mp4", [pixels] * 2)
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # behind version, times, number, length, layer, volume
    assert struct.unpack_from(">5i", content, place) == (1 << 16, 0, 0, 0, 1 << 16)
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">5i", content, place, a, b, 0, c, d)
    (tmp_path / "turned.mp4").write_bytes(content)
    for frame in read_frames(tmp_path / "turned.mp4"):
        assert frame.pixels.shape == (*shape, 3)
        assert frame.pixels[brightest].mean() > 200
        assert frame.pixels.mean() < 100


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
def test_a_truncated_video_gives_its_frames_and_then_says_so(tmp_path: Path, share: float) -> None:
    """A clip of which half is missing never passes for a shorter one."""
    write_film(tmp_path / "whole.avi", brighter() * 3)
    content = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: int(len(content) * share)])
    frames = read_frames(tmp_path / "cut.avi")
    numbers: list[int] = []

    def take_all() -> None:
        for frame in frames:
            numbers.append(frame.number)

    with pytest.raises(DataError, match=r"cut\.avi"):
        take_all()
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < 60
    assert (len(numbers) > 5) == (share > 0.1)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    """A text, nothing at all, a folder, a missing file, a sound."""
    (tmp_path / "text.avi").write_text("hello " * 1000)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "folder.avi").mkdir()
    for name in ("text.avi", "empty.mp4", "folder.avi", "missing.avi"):
        with pytest.raises(DataError, match=name):
            list(read_frames(tmp_path / name))


def test_an_endless_video_meets_a_limit_with_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit can be raised by whoever means it."""
    write_film(tmp_path / "clip.avi", brighter())
    monkeypatch.setenv(videos.MAX_FRAMES, "7")
    with pytest.raises(DataError, match=videos.MAX_FRAMES):
        list(read_frames(tmp_path / "clip.avi"))
    monkeypatch.setenv(videos.MAX_FRAMES, "20")
    assert len(list(read_frames(tmp_path / "clip.avi"))) == 20


def test_a_missing_extra_names_the_line_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installed the core alone is told what else it takes."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'fewshot_fer\[video\]'"):
        list(read_frames(tmp_path / "clip.avi"))
