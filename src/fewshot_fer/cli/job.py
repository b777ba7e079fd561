"""Run one job of a sweep, or skip it where it is done; its folder records what became of it.

job.json   the job's overrides and its configuration's fingerprint, written as it begins
error.txt  why it failed: one line, and the traceback below it where it was no error of the user
DONE       the fingerprint again, written when all is done
"""

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fewshot_fer.config.hydra import plain
from fewshot_fer.config.schema import fingerprint
from fewshot_fer.runs.find import read_job
from fewshot_fer.system.errors import Interrupted, RunError, UserError
from fewshot_fer.system.files import write_text
from fewshot_fer.system.screen import REPLACING


class SweepStopped(BaseException):
    """Raised after SIGINT or SIGTERM in a job: no further one is to start."""

    def __init__(self, interrupted: Interrupted) -> None:
        super().__init__(str(interrupted))
        self.exit_code = interrupted.exit_code


def run_job(
    job: Callable[[], None], config: DictConfig, folder: Path, changed: Callable[[], str] = str
) -> None:
    """Run a job unless it is done; its error is recorded, and the sweep goes on.

    changed: what changed in the data of a job that is done, "" for nothing. Raises SweepStopped
    where the job was interrupted and the next one waits in this process, and RunError, which ends
    the sweep too, where the folder holds a job of other settings or other data.
    """
    hydra = HydraConfig.get()
    number, overrides = int(hydra.job.num), list(hydra.overrides.task)
    further = f"hydra.sweep.subdir={folder.name}" in hydra.overrides.hydra
    if further:  # Hydra counts from 0 again
        number = int(folder.name)
    in_turn = runs_in_turn()
    if not _begin(config, folder, number, overrides, further):
        if found := changed():
            raise RunError(
                f"{folder} holds figures of data that changed since ({found}): remove it to run "
                f"the job again, or name another folder, hydra.sweep.dir=..."
            )
        print(f"job {number}: done before", flush=True)
        return
    try:
        with contextlib.nullcontext() if in_turn else _output_to(folder / "job.log"):
            job()
        write_text(folder / "DONE", fingerprint(plain(config)) + "\n")
    except Interrupted as interrupted:
        if in_turn:
            raise SweepStopped(interrupted) from interrupted
        print(f"job {number}: {interrupted}, or type the same command again", flush=True)
        return
    except Exception as error:  # whatever it is: the other jobs must run
        _fail(folder, error)
        print(f"error: job {number}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return
    if not in_turn:
        print(f"job {number}: done, see {folder / 'job.log'}", flush=True)


def runs_in_turn() -> bool:
    """Return whether the jobs of the sweep under way run one after the other in one process."""
    return str(HydraConfig.get().launcher._target_).endswith("BasicLauncher")


def _begin(
    config: DictConfig, folder: Path, number: int, overrides: list[str], further: bool
) -> bool:
    """Write job.json; return False where the job is done.

    Raises RunError where the folder holds a job of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = fingerprint(plain(config))
    known = read_job(folder / "job.json").get("fingerprint", own)
    if known != own:
        raise RunError(
            f"{folder} holds a job of other settings: name another folder, hydra.sweep.dir=..."
        )
    done = folder / "DONE"
    if done.is_file() and done.read_text(encoding="utf-8").strip() == own:
        return False
    (folder / "error.txt").unlink(missing_ok=True)
    content = {"number": number, "fingerprint": own, "overrides": overrides}
    content |= {"further": True} if further else {}
    write_text(folder / "job.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return True


def _fail(folder: Path, error: Exception) -> None:
    """Write error.txt."""
    lines = [" ".join(f"{error}".split()) or type(error).__name__]
    if not isinstance(error, UserError):
        lines[0] = f"{type(error).__name__}: {lines[0]}"
        lines += ["", "".join(traceback.format_exception(error))]
    with contextlib.suppress(OSError):  # a full disk: the sweep's own table says it is unfinished
        write_text(folder / "error.txt", "\n".join(lines) + "\n")


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Write what a job prints to a file: the lines of several at once would mix on the screen."""
    with (
        log.open("a", encoding="utf-8", errors=REPLACING) as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        yield
