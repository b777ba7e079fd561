"""A folder of results belongs to one process at a time, and to none once that has ended."""

import errno
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from command_processes import start_command
from conftest import TINY, Command, assert_one_line

from fewshot_fer.system.errors import RunError
from fewshot_fer.system.locks import locked, own_folder

FINISHED = Path(__file__).parents[1] / "end_to_end/run_of_0.1"
HOLD = """
import os, sys, time
from pathlib import Path
from fewshot_fer.system.locks import own_folder
with own_folder(Path(sys.argv[1])):
    if sys.argv[2] == "fork":
        child = os.fork()
        if child == 0:
            time.sleep(600)
        print(child, flush=True)
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about to end."""
    monkeypatch.setattr("fewshot_fer.system.locks.ENDING", 0.01)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test, whatever becomes of it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def hold(folder: Path, started: list[subprocess.Popen[str]], how: str = "") -> int:
    """Start a process that holds a folder; return its number or that of the child it forked."""
    line = [sys.executable, "-c", HOLD, str(folder), how]
    started.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
    said = started[-1].stdout
    assert said is not None
    child = int(said.readline()) if how else 0
    assert said.readline() == "held\n"
    return child or started[-1].pid


def test_the_second_process_leaves_and_names_the_first(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """It says which process, where and since when; a killed owner's folder is free at once."""
    number, folder = hold(tmp_path / "runs/run", started), tmp_path / "runs/run"
    today = time.strftime("%Y-%m-%d")
    with (
        pytest.raises(RunError, match=f"process {number} on {platform.node()} since {today}"),
        own_folder(folder),
    ):
        pytest.fail("two hold it")
    started[0].kill()
    started[0].wait()
    with own_folder(folder):
        pass
    assert not list(folder.iterdir())  # it was there before, and nothing else is left


def test_a_forked_child_does_not_keep_a_folder(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """It has the descriptor of the parent, which was killed; a resumed run must not wait for it."""
    child = hold(tmp_path / "run", started, "fork")
    started[0].kill()
    started[0].wait()
    try:
        with own_folder(tmp_path / "run"):
            os.kill(child, 0)  # it is there still
    finally:
        os.kill(child, signal.SIGKILL)


def test_folders_that_stay_empty_are_removed(tmp_path: Path) -> None:
    """A command that is refused leaves nothing; what was there before it stays."""
    with own_folder(tmp_path / "outputs/train/run"):
        assert (tmp_path / "outputs/train/run").is_dir()
    assert not list(tmp_path.iterdir())
    with own_folder(tmp_path / "outputs/train/run"):
        (tmp_path / "outputs/other").mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["outputs", "other"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file stands for the lock, and it is said; one that a dead process left is taken over."""

    def without(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without)
    folder = tmp_path / "run"
    with own_folder(folder):
        with pytest.raises(RunError, match=r"remove .*/run/"), own_folder(folder):
            pytest.fail("two hold it")
        (left,) = (path for path in folder.iterdir() if path.suffix == ".file")
        content = left.read_text()
        with locked(tmp_path / "cache.lock"):
            pass
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert not folder.exists()
    folder.mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    left.write_text(content.replace(str(os.getpid()), str(ended.pid)))
    with own_folder(folder):
        pass


def test_every_command_leaves_a_folder_that_is_in_use(
    command: Command,
    tmp_path: Path,
    data: Path,
    started: list[subprocess.Popen[str]],
) -> None:
    """The folder of a run, of a sweep, of tables, of a report: one line, and nothing written."""
    run = shutil.copytree(FINISHED, tmp_path / "run")
    (run / "summary.json").unlink()  # as if it had been stopped
    process, before = hold(run, started), sorted(run.iterdir())
    here = "hydra.run.dir=run"
    for words in (
        ("train", "resume=run"),
        ("train", *TINY, here),
        ("train", "-m", *TINY, "seed=0,1", "hydra.sweep.dir=run"),
        ("check", here),
        ("test", f"run={FINISHED}", "test=compound_4w5s", here),
        ("predict", f"run={FINISHED}", f"images={data}/RAF-DB/basic/Image/aligned", here),
        ("prepare", f"images={data}/RAF-DB/basic/Image/aligned", "out=run"),
        ("report", f"compare={FINISHED},{FINISHED}", here),
    ):
        assert_one_line(command(*words), f"belongs to process {process}")
    assert sorted(run.iterdir()) == before


def test_a_test_does_not_write_over_its_run(command: Command, tmp_path: Path) -> None:
    """One folder, one run: the test's configuration would take the place of the run's."""
    run = shutil.copytree(FINISHED, tmp_path / "run")
    outcome = command("test", "run=run", "test=compound_4w5s", "hydra.run.dir=run")
    assert_one_line(outcome, "name another folder")
    assert (run / "config.yaml").read_bytes() == (FINISHED / "config.yaml").read_bytes()


@pytest.mark.slow
def test_the_same_command_typed_twice_at_the_same_moment(
    data: Path, cache: Path, tmp_path: Path
) -> None:
    """Of two sweeps, and of two that go on with a run, one does it all and the other nothing."""
    words = [*TINY, f"paths.data={data}", "-m", "seed=0,1", "hydra.sweep.dir=sweep"]
    both_exit(words, tmp_path, cache)
    table = pd.read_csv(tmp_path / "sweep/sweep.csv", keep_default_na=False)
    assert table["seed"].tolist() == [0, 1]
    assert (table["error"] == "").all()
    for job in range(2):
        results = pd.read_csv(tmp_path / f"sweep/{job}/results.csv")
        assert results["role"].tolist() == ["train", "validation"]
        assert pd.read_csv(tmp_path / f"sweep/{job}/metrics.csv")["epoch"].tolist() == [1, 2]
    run = tmp_path / "sweep/1"
    whole = (run / "results.csv").read_bytes()
    (run / "summary.json").unlink()
    both_exit([f"resume={run}"], tmp_path, cache)
    assert (run / "results.csv").read_bytes() == whole


def both_exit(words: list[str], folder: Path, cache: Path) -> None:
    """Type a command twice; require that one succeeds and the other leaves with one line."""
    two = [start_command(folder, cache, "train", *words) for _ in range(2)]
    ended = [process.end() for process in two]
    assert sorted(code for code, _ in ended) == [0, 2], ended
    (winner,) = (process for process, (code, _) in zip(two, ended, strict=True) if code == 0)
    (refused,) = (printed for code, printed in ended if code == 2)
    assert refused.startswith("error: ")
    # Going on with a run takes a moment: the other process may come when that is over.
    reasons = (f"belongs to process {winner.number} on", "is finished: there is nothing to resume")
    assert any(reason in refused for reason in reasons)
    assert refused.count("\n") == 1
