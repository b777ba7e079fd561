"""What happens to a command's screen does not end it: its results are files."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY, Command, assert_one_line

PRINTING = """
import os, sys
from fewshot_fer.system.screen import lost_output, prepare_screen
prepare_screen()
prepare_screen()
for number in range(2):
    print("행복 ±", number, flush=True)
    print("행복 ±", number, file=sys.stderr, flush=True)
with open("lost", "w") as file:
    os.system("echo of a child; echo of a child >&2")
    print(type(lost_output()).__name__, file=file)
"""
UNREAD = ">&{pipe}"  # a pipe whose reader has gone


def shell(line: str, folder: Path, **variables: str) -> tuple[int, bytes, bytes]:
    """Type a line; return its exit code and what reached standard output and error."""
    own = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    reader, pipe = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            ["bash", "-c", line.format(pipe=pipe)],
            cwd=folder,
            env={**own, "PYTHON": sys.executable, **variables},
            pass_fds=[pipe],
            capture_output=True,
        )
    finally:
        os.close(pipe)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("redirected", "lost", "lines"),
    [
        (">&-", "NoneType", (0, 3)),
        ("2>&-", "NoneType", (3, 0)),
        (">&- 2>&- <&-", "NoneType", (0, 0)),
        (">/dev/full", "OSError", (0, 3)),
        ("2>/dev/full", "NoneType", (3, 0)),
        (UNREAD, "BrokenPipeError", (0, 3)),
        (f"{UNREAD} 2>&1", "BrokenPipeError", (0, 0)),
    ],
)
def test_printing_goes_on(
    redirected: str, lost: str, lines: tuple[int, int], tmp_path: Path
) -> None:
    """To the end, in silence; and no file that is opened later is printed into."""
    (tmp_path / "print.py").write_text(PRINTING, encoding="utf-8")
    code, *printed = shell(f"$PYTHON print.py {redirected}", tmp_path)
    assert (code, *(text.count(b"\n") for text in printed)) == (0, *lines)
    assert (tmp_path / "lost").read_text() == f"{lost}\n"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "행복 ± 0".encode()),
        ({"PYTHONIOENCODING": "ascii"}, rb"\ud589\ubcf5 \xb1 0"),
        ({"PYTHONIOENCODING": "cp1252"}, b"\\ud589\\ubcf5 \xb1 0"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, rb"\ud589\ubcf5 \xb1 0"),
    ],
)
def test_letters_that_an_encoding_lacks(
    variables: dict[str, str], expected: bytes, tmp_path: Path
) -> None:
    """They are written as numbers, so that two names do not become one."""
    (tmp_path / "print.py").write_text(PRINTING, encoding="utf-8")
    code, *printed = shell("$PYTHON print.py", tmp_path, **variables)
    assert code == 0
    assert [text.splitlines()[0] for text in printed] == [expected, expected]


@pytest.mark.parametrize(
    ("redirected", "expected", "message"),
    [
        (UNREAD, 141, b""),
        (">&-", 0, b""),
        (">/dev/full", 2, b"error: standard output cannot be written: No space left on device\n"),
    ],
)
def test_a_page_that_nobody_reads(
    redirected: str, expected: int, message: bytes, tmp_path: Path
) -> None:
    """It ends as the tools of a shell do: quietly with a pipe that is closed, else with a line."""
    code, _, err = shell(f"$PYTHON -m fewshot_fer.report --help {redirected}", tmp_path)
    assert (code, err) == (expected, message)


@pytest.mark.slow
@pytest.mark.parametrize("redirected", [f"{UNREAD} 2>&1", ">&- 2>&-"])
def test_training_goes_on_without_a_screen(
    redirected: str, data: Path, cache: Path, tmp_path: Path
) -> None:
    """With all its epochs and results; and an encoding without ± shows another sign."""
    train = f"$PYTHON -m fewshot_fer.train {' '.join(TINY)} paths.data={data} hydra.run.dir=run"
    own = {"FEWSHOT_FER_CACHE": str(cache), "PYTHONIOENCODING": "ascii"}
    code, _, err = shell(f"{train} {redirected}", tmp_path, **own)
    assert code == 0, err
    assert pd.read_csv(tmp_path / "run/metrics.csv")["epoch"].tolist() == [1, 2]
    assert len(pd.read_csv(tmp_path / "run/results.csv")) == 2
    assert (tmp_path / "run/summary.json").is_file()
    assert b"Traceback" not in err
    assert b"Exception" not in err


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "test run={run} test=compound_4w5s test.n_way=99",
        "predict run={run} images={run}/config.yaml align=false enrol=/dev/null/faces.pt",
    ],
)
def test_an_error_is_all_that_stands_on_standard_error(
    words: str, fixed_run: Path, cache: Path, tmp_path: Path
) -> None:
    """No process that was started on the way adds lines of its own."""
    line = f"$PYTHON -m fewshot_fer.{words}".format(run=fixed_run)
    code, _, err = shell(line, tmp_path, FEWSHOT_FER_CACHE=str(cache))
    lines = [line for line in err.decode().splitlines() if not line.startswith("warning: ")]
    assert code == 2, err
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")


def test_no_temporary_folder_is_one_line(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes need one to meet in; it names the variable for another."""

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    words = ("trainer.devices=2", "train.episodes_per_step=2", f"paths.data={data}")
    assert_one_line(command("train", *TINY, *words), "TMPDIR")


def test_what_is_under_way_is_shown_on_a_terminal_and_removed() -> None:
    """Elsewhere nothing is printed, as for progress bars."""
    pty = pytest.importorskip("pty")
    code = "from fewshot_fer.system.screen import shown\nwith shown('drawing'): pass"
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    os.close(theirs)
    shown_text = os.read(ours, 1000).decode()
    os.close(ours)
    first, last, end = shown_text.split("\r")
    assert first.startswith("drawing")
    assert (last, end) == (" " * len(first), "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr == b""
