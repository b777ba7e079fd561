"""Frames of videos: in order, at the rate asked for, and damage in one line."""

import builtins
import sys
from pathlib import Path

import numpy as np
import pytest

from fewshot_fer import videos
from fewshot_fer.errors import ConfigError, DataError
from fewshot_fer.videos import read_frames


def write_video(path: Path, n_frames: int = 20, fps: int = 10, codec: str = "mpeg4") -> None:
    """Write a video whose frames get brighter one by one."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "5"}
        for number in range(n_frames):
            pixels = np.full((48, 64, 3), 10 + 10 * (number % 20), dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.mark.parametrize("ending", ["avi", "mp4", "mkv"])
def test_frames_come_in_order(tmp_path: Path, ending: str) -> None:
    """All of them, with their number, time and pixels."""
    write_video(tmp_path / f"clip.{ending}")
    frames = list(read_frames(tmp_path / f"clip.{ending}"))
    assert [frame.number for frame in frames] == list(range(20))
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(20) / 10, abs=0.02)
    for number, frame in enumerate(frames):
        assert frame.pixels.shape == (48, 64, 3)
        assert frame.pixels.mean() == pytest.approx(10 + 10 * number, abs=4)


@pytest.mark.parametrize(("fps", "expected"), [(5, 10), (10, 20), (100, 20), (1, 2), (3, 6)])
def test_a_rate_picks_frames_evenly(tmp_path: Path, fps: float, expected: int) -> None:
    """Never more than there are, and the first among them."""
    write_video(tmp_path / "clip.avi")
    numbers = [frame.number for frame in read_frames(tmp_path / "clip.avi", fps)]
    assert numbers[0] == 0
    assert len(numbers) == expected
    assert np.ptp(np.diff(numbers)) <= 1


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
def test_a_truncated_video_gives_its_frames_and_then_says_so(tmp_path: Path, share: float) -> None:
    """A clip of which half is missing never passes for a shorter one."""
    write_video(tmp_path / "whole.avi", n_frames=60)
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
    write_video(tmp_path / "clip.avi")
    monkeypatch.setenv(videos.MAX_FRAMES, "7")
    with pytest.raises(DataError, match=videos.MAX_FRAMES):
        list(read_frames(tmp_path / "clip.avi"))
    monkeypatch.setenv(videos.MAX_FRAMES, "20")
    assert len(list(read_frames(tmp_path / "clip.avi"))) == 20


def test_a_missing_extra_names_the_line_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installed the core alone is told what else it takes."""
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "av", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'fewshot_fer\[video\]'"):
        list(read_frames(tmp_path / "clip.avi"))
