"""Run commands within this process, and return their exit codes and output."""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from PIL import Image


@dataclass(frozen=True)
class Outcome:
    """Exit code (-1: an exception came through) and both screens."""

    code: int
    out: str
    err: str

    @property
    def is_one_line(self) -> bool:
        """Whether it is an error for the user: code 2, one line, no traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return self.code == 2 and len(lines) == 1 and "Traceback" not in self.err

    @property
    def line(self) -> str:
        """The line of an error, or the last words of whatever came."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return lines[0].removeprefix("error: ") if lines else self.err.strip()[-300:]


def typed(verb: str, *words: str) -> Outcome:
    """Run `python -m fewshot_fer.<verb> <words>` without a new process."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = [f"fewshot_fer.{verb}", *words]
    os.environ.pop("HYDRA_FULL_ERROR", None)
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            importlib.import_module(f"fewshot_fer.{verb}").main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        except Exception as error:  # what nobody caught is what is looked for here
            code = -1
            print(f"Traceback of {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            sys.argv = before
    return Outcome(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, with a cache of its own beside it and no data named from outside."""
    before, kept = Path.cwd(), dict(os.environ)
    os.environ["FEWSHOT_FER_CACHE"] = str(folder / "cache")
    os.environ.pop("FEWSHOT_FER_DATA", None)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(kept)


def blank_pictures() -> contextlib.AbstractContextManager[object]:
    """Write blank pictures of curves and matrices, which would take half of each tiny run."""
    return mock.patch("fewshot_fer.runs.plots.save_figure", save_blank)


def save_blank(_figure: object, picture: Path) -> None:
    """Write a picture of one pixel in the place of a figure."""
    Image.new("L", (1, 1)).save(picture, format="png")
