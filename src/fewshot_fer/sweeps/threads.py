"""How many threads a job computes with: fewer where several run at once on a machine."""

from hydra.core.hydra_config import HydraConfig

from fewshot_fer.cores import core_count


def threads_of_a_job(given: int | None) -> int | None:
    """Return what `threads=` gives or, among parallel jobs of joblib, an equal share of the cores.

    None: all that torch finds, which Slurm and Ray have limited already. Sums are rounded in
    another order by another number of threads, so the last digits of a figure depend on it.
    """
    if given is not None:
        return given
    if not HydraConfig.initialized():
        return None
    launcher = HydraConfig.get().launcher
    if not str(launcher.get("_target_", "")).endswith("JoblibLauncher"):
        return None
    cores, at_once = core_count(), int(launcher.get("n_jobs", -1))
    if at_once < 0:  # as joblib counts: -1 is all cores, -2 all but one
        at_once = max(1, cores + 1 + at_once)
    return max(1, cores // max(1, at_once))
