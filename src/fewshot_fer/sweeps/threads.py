"""How many threads a job computes with: fewer where several run at once on a machine."""

import os

from hydra.core.hydra_config import HydraConfig

from fewshot_fer.cores import core_count

JOBS = "FEWSHOT_FER_SWEEP_JOBS"
"""Of the environment, which the processes of jobs inherit: how many jobs their sweep has."""


def threads_of_a_job(given: int | None) -> int | None:
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
