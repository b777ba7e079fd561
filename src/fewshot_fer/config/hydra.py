"""Compose configurations with Hydra, and read what Hydra knows of the job under way."""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.config.config_source import register_source
from fewshot_fer.system.cores import core_count, given_threads

JOBS = "FEWSHOT_FER_SWEEP_JOBS"
"""Of the environment, which the processes of jobs inherit: how many jobs their sweep has."""
THREADS_OF_SWEEP = "FEWSHOT_FER_SWEEP_THREADS"
"""The threads that the user gave OpenMP before the sweep: joblib gives its jobs some of its own."""


@cache
def register() -> None:
    """Register with Hydra what conf/ refers to and does not hold: the source of configurations that
    are made, the resolver `run_id`, and `expanded`, a path with the home folder in the place of ~.
    """
    register_source()
    OmegaConf.register_new_resolver("expanded", os.path.expanduser, replace=True)
    OmegaConf.register_new_resolver("run_id", run_id, use_cache=True, replace=True)


def compose(verb: str, words: Sequence[str], with_hydra: bool = False) -> DictConfig:
    """Return conf/<verb>.yaml under these words, with Hydra's own settings below `hydra` if wanted.

    Also within a verb, where Hydra is initialised already. Raises HydraException and
    OmegaConfBaseException.
    """
    register()
    if GlobalHydra.instance().is_initialized():
        return hydra.compose(verb, list(words), return_hydra_config=with_hydra)
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return hydra.compose(verb, list(words), return_hydra_config=with_hydra)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a configuration as plain values, resolved."""
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def threads_per_job(given: int | None) -> int | None:
    """Return what `threads=` gives or, among parallel jobs on a machine, an equal share of cores.

    OMP_NUM_THREADS of the command is taken as it is. None: all the cores that this process may use,
    which Slurm and Ray have limited already. Sums are rounded in
    another order by another number of threads, so the last digits of a figure depend on it.
    """
    if given is not None:
        return given
    if not HydraConfig.initialized():
        return None
    launcher = HydraConfig.get().launcher
    if own := given_threads(name=THREADS_OF_SWEEP):
        return own
    name, known = str(launcher.get("_target_", "")).rpartition(".")[2], os.environ.get(JOBS, "")
    jobs = int(known) if known.isdecimal() else None
    if name == "JoblibLauncher":
        return share_of_cores(core_count(), int(launcher.get("n_jobs", -1)), jobs)
    if name == "LocalLauncher":  # Submitit's, which starts all jobs at once
        return share_of_cores(core_count(), jobs or 1, jobs)
    return None


def share_of_cores(cores: int, at_once: int, jobs: int | None) -> int:
    """Return the threads of each of so many jobs at once, of which no more run than there are.

    at_once: as joblib counts, -1 is all cores, -2 all but one; jobs: None where it is not known.
    """
    if at_once < 0:
        at_once = max(1, cores + 1 + at_once)
    if jobs:
        at_once = min(at_once, jobs)
    return max(1, cores // max(1, at_once))


@dataclass(frozen=True)
class Job:
    """What a verb knows of the command that runs it; as it stands, of a call from Python.

    words: what its settings were composed from; choices: which file of conf/ was taken for each
    group, experiment among them; in_sweep: whether it is one of several; show: takes text that is
    for the screen.
    """

    words: tuple[str, ...] = ()
    choices: dict[str, str] = field(default_factory=dict)
    in_sweep: bool = False
    show: Callable[[str], None] = lambda _: None


def current_job() -> Job:
    """Return what Hydra knows of the command under way."""
    if not HydraConfig.initialized():
        return Job(show=print)
    known = HydraConfig.get()
    return Job(tuple(known.overrides.task), choices_of(known), in_sweep(), print)


def choices_of(known: Any) -> dict[str, str]:  # noqa: ANN401
    """Return which file of conf/ was taken for each group, by Hydra's own settings."""
    taken = known.runtime.choices.items()
    return {str(group): str(name) for group, name in taken if not str(group).startswith("hydra/")}


def in_sweep() -> bool:
    """Return whether the job under way is one of several."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_id(*names: str | None) -> str:
    """Return a folder name that no other run has: time, what is run, six random hex digits."""
    words = [str(name) for name in names if name not in (None, "null", "None")]
    return "_".join([time.strftime("%Y-%m-%d_%H-%M-%S"), *words[-1:], secrets.token_hex(3)])
