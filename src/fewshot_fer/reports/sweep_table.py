"""sweep.csv, one row a job, and sweep_mean.csv, one row for the jobs that differ in seed alone."""

from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from fewshot_fer.runs.find import JobRecord
from fewshot_fer.runs.folder import RESULT_COLUMNS
from fewshot_fer.system.errors import RunError

SEED = "seed"
AVERAGED = ("accuracy", "uar", "macro_f1", "loss")
NAMES = (
    ("role",),
    ("role", "dataset"),
    ("role", "protocol"),
    ("role", "method", "level"),
    ("role", "dataset", "method", "level"),
    ("role", "protocol", "method", "level"),
)
"""What may name a figure, the shortest first: taken is the first that no job has twice. Two tests
may be alike in all of it: the second is then `.2`, in the order of results.csv."""


def sweep_table(jobs: Sequence[JobRecord]) -> pd.DataFrame:
    """Return one row a job: job, the overrides that differ, `error`, and every figure of its
    results.csv as `role.column`, or `role.dataset.column` and longer where a role has several.

    Nothing in it depends on when or how often a job was started. Raises RunError for a results.csv
    that cannot be read.
    """
    results = {job.number: _results(job) for job in jobs}
    name = _naming(list(results.values()))
    keys = swept_keys(jobs)
    rows = []
    for job in jobs:
        row = {"job": str(job.number)} | {key: job.overrides.get(key, "") for key in keys}
        row["error"] = job.error
        met: Counter[str] = Counter()
        for _, result in results[job.number].iterrows():
            own = name[result["role"]](result)
            met[own] += 1
            own += f".{met[own]}" if met[own] > 1 else ""
            row |= {f"{own}.{key}": result[key] for key in RESULT_COLUMNS[1:]}
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def swept_keys(jobs: Sequence[JobRecord]) -> list[str]:
    """Return the overrides that are not the same in all jobs; of a single job all of them."""
    keys = list(dict.fromkeys(key for job in jobs for key in job.overrides))
    if len(jobs) == 1:
        return keys
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]


def _results(job: JobRecord) -> pd.DataFrame:
    """Return a job's results.csv as text; no rows where it failed before its first figure."""
    file = job.folder / "results.csv"
    if job.error or not file.is_file():
        return pd.DataFrame(columns=list(RESULT_COLUMNS), dtype=str)
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        return table[list(RESULT_COLUMNS)]
    except (ValueError, KeyError) as error:  # those of pandas among them
        raise RunError(
            f"{file} is not a table of results: {' '.join(str(error).split())}"
        ) from error


def _naming(results: Sequence[pd.DataFrame]) -> dict[str, Callable[[pd.Series], str]]:
    """Return, for each role, how its figures are called."""
    roles = {str(role) for table in results for role in table["role"]}
    return {role: _named_by(_shortest(results, role)) for role in sorted(roles)}


def _named_by(columns: Sequence[str]) -> Callable[[pd.Series], str]:
    return lambda row: ".".join(str(row[column]) for column in columns if row[column] != "")


def _shortest(results: Sequence[pd.DataFrame], role: str) -> tuple[str, ...]:
    for columns in NAMES:
        own = (table.loc[table["role"] == role, list(columns)] for table in results)
        if not any(table.duplicated().any() for table in own):
            return columns
    return NAMES[-1]


def figures(table: pd.DataFrame) -> list[str]:
    """Return the names of the figures in a sweep's table, `validation` or `test.afew`."""
    names = map(str, table.columns)
    return [name.removesuffix(".accuracy") for name in names if name.endswith(".accuracy")]


def mean_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for the jobs that differ in seed alone: how many, then mean and deviation
    (of a sample, so empty for a single one) of accuracies, UAR, F1 and losses.

    Jobs that failed are left out; a seed that was not swept is one seed.
    """
    done = table[table["error"] == ""]
    keys = [key for key in table.columns[1 : list(table.columns).index("error")] if key != SEED]
    wanted = [f"{name}.{kind}" for name in figures(table) for kind in AVERAGED]
    rows = []
    for _, group in done.groupby(keys, sort=False) if keys else [((), done)]:
        row: dict[str, object] = {key: group.iloc[0][key] for key in keys} | {"jobs": len(group)}
        for name in wanted:
            values = pd.to_numeric(group[name], errors="coerce").dropna()
            if len(values):
                row |= {f"{name}.mean": values.mean(), f"{name}.deviation": values.std()}
        rows.append(row)
    return pd.DataFrame(rows)
