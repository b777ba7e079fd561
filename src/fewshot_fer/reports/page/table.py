"""report.csv: a row for each result of each run, and one for each run without any."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from fewshot_fer.reports.page.collect import Run
from fewshot_fer.reports.page.differences import GROUPS, changed_keys, shown
from fewshot_fer.runs import RESULT_COLUMNS

LEADING = ("run", "verb", "state", "sweep")


def report_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the columns LEADING, `choices.<group>`, each setting that any run changes (with dots),
    RESULT_COLUMNS and `problems`.

    A setting stands in every row, also where it has its default value. Figures are fractions.
    """
    keys = changed_keys(runs)
    rows: list[dict[str, Any]] = []
    for run in runs:
        first: dict[str, Any] = {"run": run.name, "verb": run.verb, "state": run.state}
        first |= {"sweep": run.sweep, "problems": "; ".join(run.problems)} | _choices(run)
        first |= {key: _cell(run.settings.get(key)) for key in keys}
        rows += [first | _figures(row) for row in run.results or [{}]]
    columns = [*LEADING, *(f"choices.{group}" for group in GROUPS), *keys, *RESULT_COLUMNS]
    return pd.DataFrame(rows, columns=[*columns, "problems"], dtype=object)


def _choices(run: Run) -> dict[str, str]:
    chosen = run.summary.get("choices")
    chosen = chosen if isinstance(chosen, dict) else {}
    return {f"choices.{group}": str(chosen.get(group) or "") for group in GROUPS}


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _cell(row.get(key)) for key in RESULT_COLUMNS}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool | list):
        return shown(value)
    return f"{value:.6g}" if isinstance(value, float) else value
