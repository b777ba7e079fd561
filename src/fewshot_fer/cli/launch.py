"""The way from the command line into a verb and, for an error of the user, one line back out.

Hydra composes the configuration. Two things are added in front of it: `test=a,b` means a list, not
a sweep, unless -m is given; and `test.n_way=5` means every test that is named.
"""

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.job import SweepStopped, run_job
from fewshot_fer.cli.sweep import Sweep, plan_sweep
from fewshot_fer.cli.words import composed_tests, expand_sweep, expand_tests
from fewshot_fer.config.hydra import JOBS, conf_dir, in_sweep, register_schemas, run_id
from fewshot_fer.system.errors import Interrupted, UserError

JOBS_FAILED = 1
USER_ERROR = 2
INTERRUPTED = 130
LONGEST = 1600  # characters of a message
RECORDED = ("train", "test")  # verbs whose sweeps skip what is done and end in one table


def launch(verb: str, job: Callable[[DictConfig, Path], None]) -> None:
    """Compose conf/<verb>.yaml with the command line and call `job(config, run folder)`.

    Exits with code 2 and one line on stderr for errors of the user, configuration errors included;
    with HYDRA_FULL_ERROR=1 in the environment they come with their traceback. In a sweep the jobs
    after a failed one still run, and it ends with code 1.
    """
    full_error = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise instead of printing and exiting with 1
    failed: list[UserError | Interrupted] = []
    _show_messages()
    try:
        register_schemas([verb])
        OmegaConf.register_new_resolver("run_id", run_id, use_cache=True, replace=True)
        # Hydra fails on the word for nothing in a list of defaults, and it is what stands there.
        sys.argv[1:] = [word for word in sys.argv[1:] if word != "experiment=null"]
        sys.argv[1:] = expand_tests(expand_sweep(sys.argv[1:]), partial(composed_tests, verb))
        main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=verb)
        sweep = plan_sweep(verb, sys.argv[1:]) if verb in RECORDED else None
        if sweep is not None:
            sys.exit(_run_sweep(sweep, main(_in_run_folder(job, failed)), full_error))
        main(_in_run_folder(job, failed))()
        if failed and (full_error or isinstance(failed[0], Interrupted)):
            raise failed[0]
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if full_error:
            raise
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except OSError as error:  # a folder that cannot be written, a full disk
        if full_error or error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except Interrupted as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if failed:
        sys.exit(USER_ERROR)


def _run_sweep(sweep: Sweep, main: Callable[[], None], full_error: bool) -> int:
    """Run all jobs, then write the sweep's table, also where it ends before the last one.

    Returns the exit code: 0, 1 where a job failed, or that of the signal that ended it.
    """
    sys.argv[1:] = sweep.words
    os.environ[JOBS] = str(sweep.jobs or "")
    # Hydra warns of each launcher in conf/ that is named as a plugin's own, which is the purpose.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/", UserWarning)
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.process")
    stopped, broken = 0, ""
    try:
        main()
    except SweepStopped as asked:
        print(f"{asked}, or type the same command again", file=sys.stderr)
        stopped = asked.exit_code
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


def _show_messages() -> None:
    """Send the package's warnings and remarks to stderr, one line each."""
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(_Line())
    log = logging.getLogger("fewshot_fer")
    log.handlers = [shown]
    log.setLevel(logging.INFO)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return prefix + record.getMessage()


def _in_run_folder(
    job: Callable[[DictConfig, Path], None], failed: list[UserError | Interrupted]
) -> Callable[[DictConfig], None]:
    """Wrap `job`: report its error at once, and leave no folder of a run that wrote no file."""

    def task(config: DictConfig) -> None:
        folder = Path(HydraConfig.get().runtime.output_dir)

        def shown() -> None:
            _show_messages()  # of a job in another process nobody has yet
            job(config, folder)

        if in_sweep() and HydraConfig.get().job.config_name in RECORDED:
            run_job(shown, config, folder)
            return
        try:
            job(config, folder)
        except UserError as error:  # Hydra would print a line of its own in front of it
            failed.append(error)
            print(f"error: {one_line(error)}", file=sys.stderr)
        except Interrupted as asked:
            failed.append(asked)
        finally:
            _remove_if_empty(folder)

    return task


def _remove_if_empty(folder: Path) -> None:
    """Remove the run's folder and, above it, train/ and outputs/, as far as they are empty."""
    for level in (folder, *folder.parents[:2]):
        if not level.is_dir() or any(level.iterdir()) or level == Path.cwd():
            return
        level.rmdir()


def one_line(error: BaseException) -> str:
    """Return an error's message, and that of its cause where Hydra hides the reason there."""
    parts = [str(error)]
    cause = error.__cause__
    if not isinstance(error, UserError) and cause is not None and str(cause) not in parts[0]:
        parts.append(str(cause))
    text = " ".join(" ".join(parts).split())
    text = re.sub(r"\s*Config search path:.*$", "", text)
    if unknown := re.search(
        r"Could not load '(\w+)/[^']*'\.", text
    ):  # of a list Hydra says no more
        names = sorted(path.stem for path in (conf_dir() / unknown[1]).glob("*.yaml"))
        text += f" Available: {', '.join(names)}"
    text = re.sub(r"\s*(full_key: \S+|object_type=\S+|reference_type=\S+)", "", text)
    # Files hold lines of any length, and what is wrong with one is said at both ends.
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"
