"""One training run in several processes, each with a device of its own, under torch's agent."""

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
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
from fewshot_fer.models.methods.rules import check_training
from fewshot_fer.runs.resume import (
    last_progress,
    resume_command,
    settings_to_resume,
    stop_message,
)
from fewshot_fer.system import errors
from fewshot_fer.system.errors import ConfigError, Interrupted, TrainingError, UserError
from fewshot_fer.system.parallel import core_count
from fewshot_fer.system.signals import ended_by_signals
from fewshot_fer.training.session import train_session

SHUTDOWN_S = 5  # for the others to end, when one did
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def train_in_ranks(settings: TrainVerb, folder: Path, resumed: bool, taken: dict[str, str]) -> None:
    """Train with `trainer.devices` processes on this machine; rank 0 writes the run's folder.

    resumed: whether the folder holds a run to go on with; taken: the files of conf/ that the
    settings came from. Raises UserError where a process raised one, TrainingError where one died,
    and Interrupted where a signal asked for an end; the last checkpoint is whole each time.
    """
    devices = settings.trainer.devices
    on_gpus = settings.device != "cpu" and torch.cuda.is_available()
    if on_gpus and torch.cuda.device_count() < devices:
        found = torch.cuda.device_count()
        raise ConfigError(f"trainer.devices={devices}, but torch finds {found} GPUs here")
    if settings.threads is None and not on_gpus:
        settings = replace(settings, threads=max(1, core_count() // devices))
    again = f"go on with: {resume_command(folder)}"
    with tempfile.TemporaryDirectory(prefix="fewshot_fer_ranks_") as scratch, _quiet_agent():
        launched = elastic_launch(_launch_config(devices, Path(scratch)), _rank)
        try:
            launched(settings, str(folder.absolute()), scratch, resumed, taken)
        except SignalException as asked:
            raise Interrupted(int(asked.sigval), f"stopped: {again}") from asked
        except ChildFailedError as failed:
            _raise_user_error(Path(scratch))
            rank, failure = failed.get_first_failure()
            how = f"exit code {failure.exitcode}"
            if -failure.exitcode in SIGNALS:  # it heard of the end before the agent did
                raise Interrupted(-failure.exitcode, f"stopped: {again}") from failed
            if failure.exitcode < 0:
                how = signal.Signals(-failure.exitcode).name
            kept = f"The last whole epoch is kept; {again}"
            if not (folder / "last.pt").is_file():
                kept = "No epoch had ended yet"
            raise TrainingError(f"process {rank} of {devices} died ({how}). {kept}") from failed


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


def _rank(
    settings: TrainVerb, folder: str, scratch: str, resumed: bool, taken: dict[str, str]
) -> None:
    """Be one of the processes. All do the same on their shares of images, and only rank 0 is heard:
    the others write into a folder that nobody reads."""
    from fewshot_fer.training.session import train_session

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an end between any two steps: no traceback
    import_inherited_plugins()
    rank, own = int(os.environ["RANK"]), Path(folder)
    on_gpus = settings.device != "cpu" and torch.cuda.is_available()
    distributed.init_process_group("nccl" if on_gpus else "gloo")
    try:
        if rank:
            own = _quiet_folder(own, Path(scratch) / str(rank))
        distributed.barrier()  # the copy is made of what stood there before
        train_session(settings, own, last_progress(own) if resumed else None, taken)
    except UserError as error:
        content = {"kind": type(error).__name__, "message": str(error)}
        (Path(scratch) / f"error-{rank}.json").write_text(json.dumps(content), encoding="utf-8")
        sys.exit(2)
    distributed.destroy_process_group()


def _quiet_folder(folder: Path, scratch: Path) -> Path:
    """Return a copy of the run's folder, and be silent from now on."""
    if folder.is_dir():
        shutil.copytree(folder, scratch)
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    sys.stderr = sys.stdout
    logging.disable(logging.CRITICAL)
    return scratch


def _raise_user_error(scratch: Path) -> None:
    """Raise the error of the lowest rank that met one."""
    for file in sorted(scratch.glob("error-*.json")):
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        raise getattr(errors, content["kind"])(content["message"])


@contextlib.contextmanager
def _quiet_agent() -> Iterator[None]:
    """Let the agent say nothing, as what it has to say is said here; put back what it sets."""
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        with contextlib.suppress(ValueError):  # not in the main thread: nothing was set
            for number, handler in before.items():
                signal.signal(number, handler)


def resume_session(asked: TrainVerb, overrides: list[str]) -> None:
    """Go on with the run that `resume=` names. Raises UserError where that cannot be."""
    settings, path = settings_to_resume(asked, overrides)
    # Those of this command are of its own; what the run took, its last checkpoint says, if any.
    train_anywhere(settings, path, resumed=True, taken={})


def train_anywhere(settings: TrainVerb, path: Path, resumed: bool, taken: dict[str, str]) -> None:
    """Train in this process, or in several where `trainer.devices` asks for that.

    resumed: whether the folder may hold a run to go on with; taken: the files of conf/ that the
    settings came from, as far as that is known.
    """
    check_training(settings)
    if settings.trainer.devices > 1:
        train_in_ranks(settings, path, resumed, taken)
        return
    with ended_by_signals(lambda: stop_message(path)):
        train_session(settings, path, last_progress(path) if resumed else None, taken)
