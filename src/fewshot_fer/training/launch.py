"""Start or resume a training run: in this process, or in several that torch's agent starts."""

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from fewshot_fer.config.names import import_inherited_plugins
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.models.methods.registry import check_training
from fewshot_fer.runs.resume import last_progress, resume_command, settings_to_resume, stop_message
from fewshot_fer.system import errors
from fewshot_fer.system.cores import core_count, given_threads
from fewshot_fer.system.errors import ConfigError, Interrupted, TrainingError, UserError
from fewshot_fer.system.files import scratch_folder
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.processes import CAUGHT, ended_by_signals
from fewshot_fer.system.screen import prepare_screen
from fewshot_fer.training.train_run import train_run

SHUTDOWN_S = 5  # that the other processes have to end in, once one has died


def resume_training(settings: TrainVerb, overrides: list[str]) -> None:
    """Go on with the run that `resume=` names. Raises UserError where that cannot be.

    overrides: the words of the command line, none of which may be another setting.
    """
    _, folder = settings_to_resume(settings, overrides)
    with own_folder(folder):  # whoever had it until now may just have finished the run
        stored, _ = settings_to_resume(settings, overrides)
    # The choices of this command are not the run's; its last checkpoint has those, if there is one.
    launch_training(stored, folder, resumed=True, choices={})


def launch_training(
    settings: TrainVerb, folder: Path, resumed: bool, choices: dict[str, str]
) -> None:
    """Train in this process or, where `trainer.devices` is above 1, in so many.

    resumed: whether the folder may hold a run to go on with; choices: the files of conf/ that the
    settings came from, as far as they are known. Raises UserError and Interrupted.
    """
    check_training(settings)
    if settings.trainer.devices > 1:
        train_in_ranks(settings, folder, resumed, choices)
        return
    with ended_by_signals(lambda: stop_message(folder)):
        _train(settings, folder, resumed, choices)


def _train(settings: TrainVerb, folder: Path, resumed: bool, choices: dict[str, str]) -> None:
    """Train in this process. The folder is its own: it may outlive the one that started it."""
    with own_folder(folder):
        train_run(settings, folder, last_progress(folder) if resumed else None, choices)


def train_in_ranks(
    settings: TrainVerb, folder: Path, resumed: bool, choices: dict[str, str]
) -> None:
    """Train with `trainer.devices` processes on this machine; rank 0 writes the run's folder.

    Raises UserError where a process raised one, TrainingError where one died, and Interrupted after
    a signal; the last checkpoint is whole each time.
    """
    settings = _settings_of_ranks(settings)
    with scratch_folder("ranks") as scratch, _quiet_agent():
        config = _launch_config(settings.trainer.devices, scratch)
        run_ranks = elastic_launch(config, _train_as_rank)
        try:
            run_ranks(settings, str(folder.absolute()), str(scratch), resumed, choices)
        except SignalException as error:
            stopped = f"stopped: go on with: {resume_command(folder)}"
            raise Interrupted(int(error.sigval), stopped) from error
        except ChildFailedError as error:
            _raise_user_error(scratch)
            raise _death(error, folder, settings.trainer.devices) from error


def _settings_of_ranks(settings: TrainVerb) -> TrainVerb:
    """Return the settings of each process. Raises ConfigError where there are too few GPUs."""
    devices = settings.trainer.devices
    if _on_gpus(settings):
        if (found := torch.cuda.device_count()) < devices:
            raise ConfigError(f"trainer.devices={devices}, but torch finds {found} GPUs here")
        return settings
    each = given_threads() or max(1, core_count() // devices)
    return replace(settings, threads=settings.threads or each)


def _on_gpus(settings: TrainVerb) -> bool:
    return settings.device != "cpu" and torch.cuda.is_available()


def _launch_config(devices: int, scratch: Path) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        start_method="spawn",
        logs_specs=DefaultLogsSpecs(log_dir=str(scratch / "logs")),
        virtual_local_rank=True,
        shutdown_timeout=SHUTDOWN_S,
    )


def _train_as_rank(
    settings: TrainVerb, folder: str, scratch: str, resumed: bool, choices: dict[str, str]
) -> None:
    """Train in one of the processes, on its share of every step's images.

    All of them compute the same. Those above rank 0 print nothing and write into a folder that
    nobody reads. A UserError is left in `scratch` for the process that started this one.
    """
    prepare_screen()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an end between any two steps: no traceback
    import_inherited_plugins()
    rank, own = int(os.environ["RANK"]), Path(folder)
    distributed.init_process_group("nccl" if _on_gpus(settings) else "gloo")
    try:
        if rank:
            own = _quiet_folder(own, Path(scratch) / str(rank))
        distributed.barrier()  # the copy is made of what stood there before
        _train(settings, own, resumed, choices)
    except UserError as error:
        content = {"kind": type(error).__name__, "message": str(error)}
        (Path(scratch) / f"error-{rank}.json").write_text(json.dumps(content), encoding="utf-8")
        sys.exit(2)
    distributed.destroy_process_group()


def _quiet_folder(folder: Path, scratch: Path) -> Path:
    """Return a copy of the run's folder, and print nothing from now on."""
    if folder.is_dir():
        shutil.copytree(folder, scratch)
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    sys.stderr = sys.stdout
    logging.disable(logging.CRITICAL)
    return scratch


def _raise_user_error(scratch: Path) -> None:
    """Raise the UserError of the lowest rank that met one, if any did."""
    for file in sorted(scratch.glob("error-*.json")):
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        raise getattr(errors, content["kind"])(content["message"])


def _death(error: ChildFailedError, folder: Path, devices: int) -> Exception:
    """Return the error for a process that died: Interrupted where a signal for all ended it."""
    rank, failure = error.get_first_failure()
    number, again = -failure.exitcode, f"go on with: {resume_command(folder)}"
    if number in CAUGHT:  # it received the signal before the agent did
        return Interrupted(number, f"stopped: {again}")
    how = signal.Signals(number).name if number > 0 else f"exit code {failure.exitcode}"
    kept = f"The last whole epoch is kept; {again}"
    if not (folder / "last.pt").is_file():
        kept = "No epoch had ended yet"
    return TrainingError(f"process {rank} of {devices} died ({how}). {kept}")


@contextlib.contextmanager
def _quiet_agent() -> Iterator[None]:
    """Silence the agent, whose errors are raised here again; put back the handlers it sets."""
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    before = {number: signal.getsignal(number) for number in CAUGHT}
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        with contextlib.suppress(ValueError):  # not in the main thread: nothing was set
            for number, handler in before.items():
                signal.signal(number, handler)
