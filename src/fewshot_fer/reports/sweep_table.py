"""Make the tables of a sweep: one row a job, and one row for the jobs that differ in seed alone."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from fewshot_fer.runs.find import JobRecord
from fewshot_fer.runs.folder import RESULT_COLUMNS
from fewshot_fer.runs.read import read_rows, require

SEED = "seed"
LATER = (
    *("images_id", "unit", "pooling", "gain", "gain_low", "gain_high", "verdict"),
    *("repeats", "repeats_ci95"),
)
"""Columns that results.csv of an earlier version lacks."""
BESIDE = "also"  # column
CHOSEN = ("train", "backbone", "method")  # files of conf/ that tell a job beside the product
AVERAGED = ("accuracy", "uar", "macro_f1", "loss")
Texts = dict[str, str]
"""A row of results.csv as it stands there."""
NAMES = (
    ("role",),
    ("role", "dataset"),
    ("role", "protocol"),
    ("role", "method", "level"),
    ("role", "dataset", "method", "level"),
    ("role", "protocol", "method", "level"),
)
"""Columns that may name a figure: the first set is taken in which no job has two equal rows. Two
tests may be alike in all of them: the second is then `.2`, in the order of results.csv."""


def sweep_table(jobs: Sequence[JobRecord]) -> pd.DataFrame:
    """Return one row a job: job, the overrides that differ (and what is chosen for a job that
    stands beside the product, as `also`, where there is one), `error`, and every figure of its
    results.csv as `role.column`, or `role.dataset.column` and longer where a role has several.

    It does not depend on when a job was started. Raises RunError for an unreadable results.csv.
    """
    results = {job.number: _results(job) for job in jobs}
    naming = _naming(list(results.values()))
    keys = swept_keys([job for job in jobs if not job.further])
    beside = any(job.further for job in jobs)
    rows = []
    for job in jobs:
        row = {"job": str(job.number)} | {key: job.overrides.get(key, "") for key in keys}
        row |= {BESIDE: _choices(job) if job.further else ""} if beside else {}
        row["error"] = job.error
        met: Counter[str] = Counter()
        for result in results[job.number]:
            own = ".".join(filter(None, (result[key] for key in naming[result["role"]])))
            met[own] += 1
            own += f".{met[own]}" if met[own] > 1 else ""
            row |= {f"{own}.{key}": result.get(key, "") for key in RESULT_COLUMNS[1:]}
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _choices(job: JobRecord) -> str:
    """Return the files of conf/ that a job chose, as `train=frozen backbone=face_expression`."""
    chosen = {key: value for key, value in job.overrides.items() if key in CHOSEN}
    return " ".join(f"{key}={value}" for key, value in chosen.items())


def swept_keys(jobs: Sequence[JobRecord]) -> list[str]:
    """Return the overrides that are not the same in all jobs; of a single job all of them."""
    keys = list(dict.fromkeys(key for job in jobs for key in job.overrides))
    if len(jobs) == 1:
        return keys
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]


def figures(table: pd.DataFrame) -> list[str]:
    """Return the names of the figures in a sweep's table, `validation` or `test.afew`."""
    names = map(str, table.columns)
    return [name.removesuffix(".accuracy") for name in names if name.endswith(".accuracy")]


def combination_keys(table: pd.DataFrame) -> list[str]:
    """Return the swept overrides in a sweep's table but the seed."""
    return [key for key in table.columns[1 : list(table.columns).index("error")] if key != SEED]


def mean_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for the jobs that differ in seed alone: how many, then mean and deviation
    (of a sample, so empty for a single one) of accuracies, UAR, F1 and losses.

    Jobs that failed are left out; a seed that was not swept is one seed.
    """
    done = table[table["error"] == ""]
    keys = combination_keys(table)
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


def _results(job: JobRecord) -> list[Texts]:
    """Return a job's results.csv as text; no rows where it failed before its first figure."""
    file = job.folder / "results.csv"
    needed = [column for column in RESULT_COLUMNS if column not in LATER]
    return [] if job.error or not file.is_file() else require(read_rows, file, needed)


def _naming(results: Sequence[list[Texts]]) -> dict[str, Sequence[str]]:
    """Return the columns that name the figures of each role."""
    naming: dict[str, Sequence[str]] = {}
    for role in {result["role"] for own in results for result in own}:
        of_role = [[row for row in own if row["role"] == role] for own in results]
        for columns in NAMES:
            naming[role] = columns
            names = [{tuple(row[key] for key in columns) for row in own} for own in of_role]
            if list(map(len, names)) == list(map(len, of_role)):
                break
    return naming
