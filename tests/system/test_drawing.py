"""Pictures drawn beside a run: the same ones, and none lost whatever becomes of that process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Command
from PIL import Image

from fewshot_fer.runs.figures import plot_confusion
from fewshot_fer.system import drawing
from fewshot_fer.system.drawing import Drawing, drawing_beside
from fewshot_fer.training import session as sessions

pytestmark = pytest.mark.drawn
COUNTS, NAMES = np.array([[5, 2], [1, 6]]), ("sad", "glad")


@pytest.fixture(autouse=True)
def with_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw beside these tests, which have matplotlib loaded, on any number of cores."""
    monkeypatch.setattr(drawing, "is_worth_a_process", lambda: True)


def pixels(picture: Path) -> np.ndarray:
    return np.asarray(Image.open(picture))


def is_running(number: int) -> bool:
    """Tell whether a process is there, and not only waiting to be counted out."""
    stat = Path(f"/proc/{number}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_draws_what_this_process_draws(tmp_path: Path) -> None:
    """Several pictures, each pixel of them, by the time that `finish` returns."""
    with drawing_beside(wanted=True) as beside:
        assert beside is not None
        for name in ("a", "b"):
            beside.draw(plot_confusion, COUNTS, NAMES, name, tmp_path / f"{name}.png")
        beside.finish()
        assert beside._process.returncode == 0
        for name in ("a", "b"):
            plot_confusion(COUNTS, NAMES, name, tmp_path / "here.png")
            assert np.array_equal(pixels(tmp_path / f"{name}.png"), pixels(tmp_path / "here.png"))


def test_draws_here_what_a_killed_process_left(tmp_path: Path) -> None:
    beside = Drawing()
    beside._process.kill()
    beside._process.wait()
    beside.draw(plot_confusion, COUNTS, NAMES, "x", tmp_path / "x.png")
    beside.finish()
    assert pixels(tmp_path / "x.png").shape[0] > 100


def test_says_here_why_a_picture_cannot_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with drawing_beside(wanted=True) as beside:
        assert beside is not None
        beside.draw(plot_confusion, COUNTS, NAMES, "x", tmp_path / "no" / "x.png")
        with pytest.raises(FileNotFoundError, match=r"x\.png"):
            beside.finish()
    assert beside._process.returncode == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_keeps_pictures_of_a_run_that_fails(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with drawing_beside(wanted=True) as beside:
            assert beside is not None
            beside.draw(plot_confusion, COUNTS, NAMES, "x", tmp_path / "x.png")
            raise error

    with pytest.raises(error):
        fail()
    assert pixels(tmp_path / "x.png").shape[0] > 100


def test_nothing_is_waited_for_where_nothing_was_given() -> None:
    """Neither for matplotlib, which it may still be loading, nor for pictures."""
    for end in (Drawing.stop, Drawing.finish):
        beside = Drawing()
        end(beside)
        assert beside._process.returncode != 0


def test_imports_nothing_from_where_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that somebody sent may hold a file named as a library is."""
    (tmp_path / "matplotlib.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", ".")])
    beside = Drawing()
    beside.draw(plot_confusion, COUNTS, NAMES, "x", tmp_path / "x.png")
    beside.finish()
    assert beside._process.returncode == 0
    assert not (tmp_path / "ran").exists()


def test_does_without_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with drawing_beside(wanted=True) as beside:
        assert beside is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_ends_with_a_process_that_is_killed() -> None:
    """SIGKILL leaves the one that gives no time to say so: the other sees its stdin end."""
    code = "from fewshot_fer.system import drawing as x\nd = x.Drawing()\nprint(d._process.pid, flush=1)"  # noqa: E501
    giving = subprocess.Popen(
        [sys.executable, "-c", f"{code}\ninput()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert giving.stdout is not None
    number = int(giving.stdout.readline())
    assert is_running(number)
    os.kill(giving.pid, signal.SIGKILL)
    giving.communicate()
    for _ in range(600):
        if not is_running(number):
            return
        time.sleep(0.1)
    pytest.fail("it still runs")


def test_a_test_has_its_matrix(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line: drawn by that process, and whole before the summary is written."""
    drawn: list[bool] = []
    finish = sessions._finish

    def look(folder: sessions.RunFolder, *given: object) -> None:
        drawn.extend(pixels(each).shape[0] > 100 for each in folder.folder.glob("confusion_*.png"))
        finish(folder, *given)  # type: ignore[arg-type]

    def refuse(*_: object) -> None:
        raise AssertionError("drawn here")

    trained = command("train", *TINY, f"paths.data={data}")
    assert trained.folder is not None, trained.err
    monkeypatch.setattr("fewshot_fer.runs.test_run._finish", look)
    monkeypatch.setattr("fewshot_fer.runs.figures.save_figure", refuse)
    tested = command("test", f"run={trained.folder}", "test=basic_7w1s", "test.episodes=2")
    assert tested.code == 0, tested.err
    assert drawn == [True]
