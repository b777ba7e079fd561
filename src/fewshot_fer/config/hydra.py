"""What this package tells Hydra and asks of it: files, schemas, names of runs, threads of a job."""

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from fewshot_fer.config.schema import TestVerb, TrainVerb
from fewshot_fer.config.verbs import DemoAppVerb, ExportVerb, PredictVerb, PrepareVerb, ReportVerb
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.parallel import core_count


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


SCHEMAS: dict[str, type] = {
    "train": TrainVerb,
    "test": TestVerb,
    "predict": PredictVerb,
    "prepare": PrepareVerb,
    "report": ReportVerb,
    "export": ExportVerb,
    "demo_app": DemoAppVerb,
}


def register_schemas(verbs: Iterable[str] = SCHEMAS) -> None:
    """Tell Hydra the schemas <verb>_schema that conf/<verb>.yaml names first; check has train's.

    Hydra copies all that it was told for each group that --help lists: a command tells its own.
    """
    for verb in verbs:
        name = "train" if verb == "check" else verb
        ConfigStore.instance().store(name=f"{name}_schema", node=SCHEMAS[name])


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
