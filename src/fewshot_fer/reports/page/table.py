"""report.csv: a row for each result of each run, and one for each run without any."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.reports.page.collect import Run
from fewshot_fer.reports.page.differences import GROUPS, changed_keys, shown
from fewshot_fer.runs import RESULT_COLUMNS

LEADING = ("run", "verb", "state", "sweep", "tested_run")


def report_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the columns LEADING, `choices.<group>`, each setting that any run changes (with dots),
    RESULT_COLUMNS and `problems`.

    A setting stands in every row, also where it has its default value; beside a test those of the
    run that it tested, which `tested_run` names, as far as that is there. Figures are fractions.
    """
    keys = changed_keys(runs)
    known = {run.folder.resolve(): run for run in runs if run.verb == "train"}
    rows: list[dict[str, Any]] = []
    for run in runs:
        first: dict[str, Any] = {"run": run.name, "verb": run.verb, "state": run.state}
        tested = known.get(Path(run.tested).expanduser().resolve()) if run.tested else None
        first |= {"sweep": run.sweep, "tested_run": tested.name if tested else run.tested}
        first |= {"problems": "; ".join(run.problems)} | _choices(run, tested)
        first |= {key: _cell(_setting(run, key)) for key in keys}
        rows += [first | _figures(row) for row in run.results or [{}]]
    columns = [*LEADING, *(f"choices.{group}" for group in GROUPS), *keys, *RESULT_COLUMNS]
    return pd.DataFrame(rows, columns=[*columns, "problems"], dtype=object)


def _choices(run: Run, tested: Run | None) -> dict[str, str]:
    """Return which files of conf/ a run took or, for a test, the run that it tested."""
    chosen: dict[str, object] = {}
    for one in (tested, run):
        own = one.summary.get("choices") if one is not None else None
        chosen |= own if isinstance(own, dict) else {}
    return {f"choices.{group}": str(chosen.get(group) or "") for group in GROUPS}


def _setting(run: Run, key: str) -> object:
    """Return a setting; which tests a run had is no setting of those that test it later."""
    return (run.settings if key.startswith("test.") else run.everything).get(key)


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _cell(row.get(key)) for key in RESULT_COLUMNS}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool | list):
        return shown(value)
    return f"{value:.6g}" if isinstance(value, float) else value
