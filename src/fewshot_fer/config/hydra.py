"""Two things that Hydra does anew each time and need not; what it gives stays the same.

How many threads a job computes with: fewer where several run at once on a machine.
"""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from fewshot_fer.config.schema import TestVerb, TrainVerb
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.parallel import core_count


def quicken_hydra() -> None:
    """Make every command start sooner: --help by two seconds, others by a quarter of one."""
    # Hydra copies its store of schemas for each group that --help lists, and once for each
    # composition. It copies what it loads from there anyway.
    setattr(ConfigStore, "__deepcopy__", lambda store, memo: store)  # noqa: B010
    _ask_for_the_mode_once()


def _ask_for_the_mode_once() -> None:
    """Spare the whole composition that Hydra makes first, to read hydra.mode: no file of conf/ says
    it, and without it `-m` decides. Where a word on the command line may say it, Hydra looks."""
    try:
        from hydra._internal.hydra import Hydra

        looked_up = Hydra.get_mode
    except (ImportError, AttributeError):  # a Hydra that has no such thing
        return
    if getattr(looked_up, "spares", False):
        return

    def get_mode(hydra: Hydra, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        if any("hydra" in word or word.startswith(("-c", "--config")) for word in sys.argv[1:]):
            return looked_up(hydra, *given, **named)
        return None

    get_mode.spares = True  # type: ignore[attr-defined]
    Hydra.get_mode = get_mode  # type: ignore[method-assign,assignment]


def conf_dir() -> Path:
    """Return the absolute folder of the configuration files.

    In a checkout that is conf/ at the top, in an installed wheel fewshot_fer/conf. Raises
    ConfigError when neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "conf", package.parents[1] / "conf"):
        if (candidate / "train.yaml").is_file():
            return candidate
    raise ConfigError(f"no conf/ folder beside {package}: install fewshot_fer again")


def register_schemas() -> None:
    """Tell Hydra the schemas that train.yaml and test.yaml name first."""
    quicken_hydra()
    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainVerb)
    store.store(name="test_schema", node=TestVerb)


JOBS = "FEWSHOT_FER_SWEEP_JOBS"
"""Of the environment, which the processes of jobs inherit: how many jobs their sweep has."""


def threads_per_job(given: int | None) -> int | None:
    """Return what `threads=` gives or, among parallel jobs on a machine, an equal share of cores.

    None: all that torch finds, which Slurm and Ray have limited already. Sums are rounded in
    another order by another number of threads, so the last digits of a figure depend on it.
    """
    if given is not None:
        return given
    if not HydraConfig.initialized():
        return None
    launcher = HydraConfig.get().launcher
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


def choices() -> dict[str, str]:
    """Return which file of conf/ was taken for each group, experiment among them."""
    if not HydraConfig.initialized():
        return {}
    taken = HydraConfig.get().runtime.choices.items()
    return {str(group): str(name) for group, name in taken if not str(group).startswith("hydra/")}


def in_sweep() -> bool:
    """Tell whether the job under way is one of several."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_id(*names: str | None) -> str:
    """Return a folder name that no other run has: time, what is run, six random hex digits."""
    words = [str(name) for name in names if name not in (None, "null", "None")]
    return "_".join([time.strftime("%Y-%m-%d_%H-%M-%S"), *words[-1:], secrets.token_hex(3)])
