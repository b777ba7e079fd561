"""Make transfer.csv of the jobs of a sweep: who transfers to whom.

A row is a source (what was learnt from), a target (a test) and a method, its figures the mean over
seeds. A target that a job could not test, or a job that failed, leaves a row with the reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fewshot_fer.reports.sweep_table import SEED, swept_keys
from fewshot_fer.runs.bad_tests import read_bad_tests
from fewshot_fer.runs.find import JobRecord
from fewshot_fer.runs.read import (
    Row,
    read_config,
    read_rows,
    read_summary,
    require,
)

FILE = "transfer.csv"
AVERAGED = (
    *("accuracy", "ci95_low", "ci95_high", "group_ci95_low", "group_ci95_high", "uar"),
    *("macro_f1", "majority"),
)
ALIKE = (
    *("chance", "n_way", "k_shot", "n_query", "episodes", "disjoint", "n_images", "n_groups"),
    *("n_left_out", "uses", "pretrained", "trained_on_test"),
)
COLUMNS = (
    "source",  # the data set that was learnt from, or `frozen` and an encoder taken as it comes
    "settings",  # in which jobs of one source differ beside the seed: backbone=resnet12
    "target",  # the test, as it is named on the command line
    "protocol",  # as in results.csv, and so the next
    "dataset",
    "same_set",  # whether the source holds images of the target's data set
    "n_shared",  # how many classes both sides have, "" where the source's are not known
    "shared_classes",
    "method",
    "level",
    "seeds",  # that the figures are a mean of: accuracies, UAR and ends of intervals
    "accuracy",
    "accuracy_deviation",  # over seeds, of a sample; so is the next
    "ci95_low",
    "ci95_high",
    "group_ci95_low",
    "group_ci95_high",
    "uar",
    "uar_deviation",
    "macro_f1",
    "majority",
    *ALIKE,  # "; " between them where seeds differ
    "warnings",  # as in results.csv; those on the source's images are none of a frozen encoder's
    "jobs",
    "error",  # why there are no figures, or of fewer seeds
)
OF_SOURCE = ("trained_on_test", "shared_images", "shared_groups")
"""Warnings on what was learnt from, which says nothing of an encoder that learnt nothing there."""
OWN_PLACE = ("folder", "csv")  # adapters: two places are two data sets
Texts = dict[str, str]


@dataclass
class Cell:
    """The results of one source, target, method and level: a row of each job, and what failed."""

    results: list[Texts] = field(default_factory=list)
    jobs: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """What a job's folder says. frozen: whether the source is an encoder, of whose training nothing
    is known here; tests: by name, the rows of each, also none; bad: test -> why it has none."""

    record: JobRecord
    source: str
    frozen: bool
    settings: str
    config: Row
    tables: dict[str, Row]
    tests: dict[str, list[Texts]]
    bad: Texts


def transfer_table(records: Sequence[JobRecord]) -> pd.DataFrame | None:
    """Return the columns COLUMNS as texts, sources and targets in the order of the jobs.

    None for a sweep without two sources and a test. It does not depend on when a job was started.
    Raises RunError for a results.csv that cannot be read.
    """
    product = [record for record in records if not record.further]
    keys = [key for key in _differing(product) if key not in (SEED, "dataset", "test")]
    further = [key for key in _differing([r for r in records if r.further]) if key != SEED]
    jobs = [_read_job(record, further if record.further else keys) for record in records]
    targets = list(dict.fromkeys(name for job in jobs for name in job.tests))
    if len({job.source for job in jobs}) < 2 or not targets:
        return None
    known = {name: job for job in reversed(jobs) for name, rows in job.tests.items() if rows}
    rows: list[Row] = []
    for source, settings in dict.fromkeys((job.source, job.settings) for job in jobs):
        own = [job for job in jobs if (job.source, job.settings) == (source, settings)]
        for target in targets:
            rows += _rows(own, target, known.get(target))
    return pd.DataFrame([{key: row.get(key, "") for key in COLUMNS} for row in rows], dtype=str)


def _differing(records: Sequence[JobRecord]) -> list[str]:
    keys = swept_keys(records) if len(records) > 1 else []
    return [key for key in keys if not key.startswith("test.")]


def _read_job(record: JobRecord, keys: Sequence[str]) -> Job:
    folder, given = record.folder, record.overrides
    config = _config(folder)
    file = folder / "summary.json"
    summary = require(read_summary, file) if file.is_file() and not record.error else {}
    frozen = record.further and given.get("train") == "frozen"
    source = given.get("dataset") or str(config.get("dataset", {}).get("adapter", ""))
    settings = " ".join(f"{key}={given[key]}" for key in keys if key in given)
    bad = {} if record.error else read_bad_tests(folder)
    names = list(config.get("test") or {}) or _listed(given.get("test", ""))
    blocks = iter(_blocks(record))
    tests = {name: [] if name in bad else next(blocks, []) for name in names}
    name = f"frozen {given.get('backbone', '')}" if frozen else source
    return Job(record, name, frozen, settings, config, summary.get("tables") or {}, tests, bad)


def _config(folder: Path) -> Row:
    file = folder / "config.yaml"
    return require(read_config, file) if file.is_file() else {}


def _listed(text: str) -> list[str]:
    names = (name.strip(" '\"") for name in text.strip("[]").split(","))
    return [name for name in names if name]


def _blocks(record: JobRecord) -> list[list[Texts]]:
    """Return the rows of each test in a job's results.csv; of two tests alike, each its own."""
    file = record.folder / "results.csv"
    if record.error or not file.is_file():
        return []
    blocks: list[list[Texts]] = []
    for row in require(read_rows, file, ("role", "protocol", "method", "level", "accuracy")):
        if row["role"] != "test":
            continue
        kind = (row["method"], row["level"])
        new = not blocks or _test(blocks[-1][0]) != _test(row)
        if new or kind in [(other["method"], other["level"]) for other in blocks[-1]]:
            blocks.append([])
        blocks[-1].append(row)
    return blocks


def _test(row: Texts) -> tuple[str, str]:
    return row["dataset"], row["protocol"]


def _rows(jobs: Sequence[Job], target: str, known: Job | None) -> Iterable[Row]:
    """Yield the rows of a source and target: one for each method and level, or one without any."""
    cells: dict[tuple[str, str], Cell] = {}
    errors, failed = [], []
    for job in jobs:
        for row in job.tests.get(target, []):
            cell = cells.setdefault((row["method"], row["level"]), Cell())
            cell.results.append(row)
            cell.jobs.append(job.record.number)
        if not job.tests.get(target):
            errors.append(job.record.error or job.bad.get(target) or "not tested")
            failed.append(job.record.number)
    shared = _shared(jobs, target, known)
    for cell in cells.values() or [Cell(jobs=failed)]:
        cell.errors = list(dict.fromkeys(errors))
        yield shared | _figures(cell, jobs[0].frozen)


def _shared(jobs: Sequence[Job], target: str, known: Job | None) -> Row:
    """Return what is known of a source and target whatever was measured."""
    own = next((job for job in jobs if job.tables), jobs[0])
    row: Row = {"source": own.source, "settings": own.settings, "target": target}
    tables = (each.tables.get(f"test.{target}") for each in (own, known) if each)
    table = next((each for each in tables if each), None)
    learnt = None if own.frozen else own.tables.get("dataset")
    row["same_set"] = str(not own.frozen and _same_set(own, target, learnt, table)).lower()
    row["dataset"] = _tested(own, target).get("adapter", "")
    if learnt and table:
        classes = [name for name in learnt["classes"] if name in table["classes"]]
        row |= {"n_shared": len(classes), "shared_classes": "; ".join(classes)}
    return row


def _same_set(job: Job, target: str, learnt: Row | None, table: Row | None) -> bool:
    source = job.config.get("dataset") or {"adapter": job.source}
    test = _tested(job, target)
    sets = learnt["sets"] if learnt else [source.get("adapter")]
    tested = table["sets"] if table else [test.get("adapter")]
    if not set(sets) & set(tested):
        return False
    places = [[each.get(key) for key in ("root", "file")] for each in (source, test)]
    return source.get("adapter") not in OWN_PLACE or places[0] == places[1]


def _tested(job: Job, target: str) -> Row:
    """Return the data set's settings of a test, nothing where they are not known."""
    return (job.config.get("test") or {}).get(target, {}).get("dataset") or {}


def _figures(cell: Cell, is_frozen: bool) -> Row:
    """Return the figures of a cell: as they stand in results.csv, or their mean over seeds."""
    row: Row = {"jobs": " ".join(map(str, cell.jobs)), "error": "; ".join(cell.errors)}
    if not cell.results:
        return row
    table = pd.DataFrame(cell.results)
    row |= {key: table[key].iloc[0] for key in ("protocol", "dataset", "method", "level")}
    row["seeds"] = len(table)
    for key in AVERAGED:
        values = pd.to_numeric(table.get(key, pd.Series(dtype=str)), errors="coerce").dropna()
        single = len(table) == 1 and len(values) == 1
        row[key] = table[key].iloc[0] if single else _number(values.mean())
        if f"{key}_deviation" in COLUMNS:
            row[f"{key}_deviation"] = _number(values.std())
    row |= {key: "; ".join(dict.fromkeys(table.get(key, pd.Series(dtype=str)))) for key in ALIKE}
    words = dict.fromkeys(word for text in table["warnings"] for word in text.split(";") if word)
    if is_frozen:
        row["trained_on_test"] = ""
        words = {w: None for w in words if w.partition(":")[0] not in OF_SOURCE}
    return row | {"warnings": ";".join(words)}


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.6g}"
