"""Run a verb, or the jobs of a sweep, with the settings of the command line.

`overrides` rewrites what was typed, Hydra composes the settings from it, and an error of the user
is printed as one line. `plugins=` and `--help` do not reach Hydra.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.job import SweepStopped, run_job, runs_in_turn
from fewshot_fer.cli.messages import (
    HELP,
    INTERRUPTED,
    USER_ERROR,
    errors_as_lines,
    help_page,
    one_line,
    print_error,
    require_output,
    show_warnings,
)
from fewshot_fer.cli.named_sweep import more_words
from fewshot_fer.cli.overrides import check_place, hydra_words, take_plugins
from fewshot_fer.cli.sweep import FLAGS, Sweep, count_jobs, plan_sweep
from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.config.config_source import SCHEMAS
from fewshot_fer.config.hydra import JOBS, THREADS_OF_SWEEP, in_sweep, register
from fewshot_fer.config.names import import_plugins
from fewshot_fer.config.read import read_settings
from fewshot_fer.system.cores import THREADS, wait_without_spinning
from fewshot_fer.system.errors import Interrupted, RunError, UserError
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.screen import prepare_screen

JOBS_FAILED = 1  # exit code of a sweep
RECORDED = ("train", "test")  # verbs whose sweeps skip what is done and end in one table


@dataclass(frozen=True)
class HydraTask:
    """The function that Hydra calls with a configuration, also in another process of a sweep.

    failed: the error that ended it; there Hydra would print a line of its own in front of it.
    """

    verb: str
    job: Callable[[Any, Path], None]
    plugins: tuple[str, ...]
    failed: list[UserError | OSError | Interrupted] = field(default_factory=list)

    def __call__(self, config: DictConfig) -> None:
        """Run the job in its folder; leave no folder of a run that wrote no file."""
        prepare_screen()  # a job may run in another process
        folder = Path(HydraConfig.get().runtime.output_dir)
        if in_sweep() and self.verb in RECORDED:
            self._forget_if_mended(folder)
            changed = partial(self._changed, config, folder)
            run_job(lambda: self._run(config, folder), config, folder, changed)
            return
        try:
            self._run(config, folder)
        except (UserError, OSError) as error:
            if isinstance(error, OSError) and error.strerror is None:  # not the system's
                raise
            self.failed.append(error)
            print_error(error)
            if in_sweep() and not runs_in_turn():  # in another process, whose list nobody reads
                raise RunError("a job failed: its line stands above") from error
        except Interrupted as interrupted:
            self.failed.append(interrupted)
        finally:
            if in_sweep():  # of which Hydra keeps the words where nobody looks for them
                (folder / "multirun.yaml").unlink(missing_ok=True)
            _remove_if_empty(folder)

    def _run(self, config: DictConfig, folder: Path) -> None:
        show_warnings()  # a job in another process has no handler yet, nor plugins
        import_plugins(self.plugins)
        self.job(read_settings(config, SCHEMAS[self.verb]), folder)

    def _forget_if_mended(self, folder: Path) -> None:
        """Take a job for not done where tests that it left out may run now."""
        done = folder / "DONE"
        if not done.is_file() or not (folder / "bad_tests.csv").is_file():
            return
        from fewshot_fer.runs.bad_tests import can_mend_tests  # imports torch

        import_plugins(self.plugins)
        if can_mend_tests(folder):
            done.unlink()

    def _changed(self, config: DictConfig, folder: Path) -> str:
        from fewshot_fer.runs.data_record import changed_since  # imports torch

        show_warnings()
        import_plugins(self.plugins)
        return changed_since(read_settings(config, SCHEMAS[self.verb]), folder)


def launch(verb: str, job: Callable[[Any, Path], None]) -> None:
    """Compose conf/<verb>.yaml with the command line and call `job(settings, run folder)`.

    Exits with code 2 and one line on stderr for errors of the user, configuration errors included;
    with HYDRA_FULL_ERROR=1 in the environment they come with their traceback. In a sweep the jobs
    after a failed one still run, and it ends with code 1. Where nobody reads the screen any more
    the work goes on, as its results are files: training ends as ever, another verb with code 141.
    """
    prepare_screen()
    wait_without_spinning()
    full_error = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise instead of printing and exiting with 1
    show_warnings()
    with errors_as_lines(full_error):
        check_place(sys.argv[1:])
        words, plugins = take_plugins(sys.argv[1:])
        import_plugins(plugins)
        typed, words = words, hydra_words(verb, words)
        if HELP.intersection(words):
            print(help_page(verb, words))
        else:
            more = more_words(typed, words) if verb in RECORDED else []
            register()
            _run(HydraTask(verb, job, plugins), words, more, full_error)
    if verb != "train":  # whose screen shows its progress alone
        require_output()


def _run(task: HydraTask, words: list[str], more: list[str], full_error: bool) -> None:
    """Let Hydra call the task once, or once for each job of a sweep; exit where one failed.

    more: the words of further jobs of a sweep, none for most.
    """
    sys.argv[1:] = words
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=task.verb)(task)
    sweep = plan_sweep(task.verb, words, more) if task.verb in RECORDED else None
    if sweep is not None:
        with own_folder(sweep.folder):
            sys.exit(run_sweep(sweep, main, full_error))
    if any(word in FLAGS for word in words):
        prepare_launching(count_jobs(words))
    main()
    if task.failed and (full_error or isinstance(task.failed[0], Interrupted)):
        raise task.failed[0]
    if task.failed:
        sys.exit(USER_ERROR)


def run_sweep(sweep: Sweep, main: Callable[[], None], full_error: bool) -> int:
    """Run all jobs, then write the sweep's table, also where it ends before the last one.

    Returns the exit code: 0, 1 where a job failed, or that of the signal that ended it.
    """
    prepare_launching(sweep.jobs)
    stopped, broken = 0, ""
    try:
        for words in (sweep.words, *sweep.more):
            sys.argv[1:] = words
            main()
    except SweepStopped as signalled:
        print(f"{signalled}, or type the same command again", file=sys.stderr)
        stopped = signalled.exit_code
    except KeyboardInterrupt:
        print("interrupted: type the same command again to go on", file=sys.stderr)
        stopped = INTERRUPTED
    except (UserError, HydraException, OmegaConfBaseException):
        raise
    except Exception as error:  # of the launcher: a process that was killed, for want of memory
        if sweep.in_turn or full_error:
            raise
        broken = f"the launcher gave up: {type(error).__name__}: {one_line(error)}"
        print(f"error: {broken}", file=sys.stderr)
    from fewshot_fer.reports.sweep import end_sweep  # imports pandas and, for pictures, matplotlib

    undone = end_sweep(sweep.folder, sweep.jobs, broken)
    return stopped or (JOBS_FAILED if undone or broken else 0)


def prepare_launching(jobs: int | None) -> None:
    """Let the jobs of a sweep know how many they are, and keep warnings of launchers away."""
    os.environ[JOBS] = str(jobs or "")
    os.environ[THREADS_OF_SWEEP] = os.environ.get(THREADS, "")
    # Hydra warns of each launcher in conf/ that is named as a plugin's own, which is the purpose.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/", UserWarning)
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.process")


def _remove_if_empty(folder: Path) -> None:
    """Remove the run's folder and, above it, train/ and outputs/, as far as they are empty."""
    with contextlib.suppress(OSError):  # a job beside this one may remove them too
        for level in (folder, *folder.parents[:2]):
            if not level.is_dir() or any(level.iterdir()) or level == Path.cwd():
                return
            level.rmdir()
