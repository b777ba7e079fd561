"""The study's seven experiments: its numbers, and those of the newest run of each."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.errors import RunError
from fewshot_fer.reports.published import STUDY, Published
from fewshot_fer.reports.reading import check_results, finished_runs

COLUMNS = (
    "experiment", "number", "train_set", "evaluation", "study_acc", "study_loss", "study_test",
    "study_test_set", "role", "protocol", "method", "level", "accuracy", "ci95_low", "ci95_high",
    "group_ci95_low", "group_ci95_high", "chance", "majority", "trained_on_test", "run", "meaning",
)  # fmt: skip


def study_table(folder: Path) -> pd.DataFrame:
    """Return a row for each result of the newest run of each experiment, a bare row where none is.

    Accuracies are fractions. ci95: the naive interval, over episodes or answers; group_ci95: over
    clips, subjects or images. Raises RunError where `folder` holds no run of the study, or a
    summary in it is damaged.
    """
    newest = _newest(folder)
    if not newest:
        raise RunError(
            f"{folder} holds no finished run of the study: "
            f"python -m fewshot_fer.train experiment={STUDY[0].experiment} starts one"
        )
    rows: list[dict[str, Any]] = []
    for published in STUDY:
        printed = _printed(published)
        run, results = newest.get(published.number, (None, [{}]))
        rows += [{**result, **printed, "run": run} for result in results]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _printed(published: Published) -> dict[str, Any]:
    """Return the columns that come from the study."""
    return {
        "experiment": published.experiment,
        "number": published.number,
        "train_set": published.train_set,
        "evaluation": published.evaluation,
        "study_acc": published.accuracy,
        "study_loss": published.loss,
        "study_test": published.test,
        "study_test_set": published.test_set,
        "meaning": published.meaning,
    }


def _newest(folder: Path) -> dict[int, tuple[str, list[dict[str, Any]]]]:
    """Return the newest finished run of each experiment, by number, with its results."""
    newest: dict[int, tuple[str, list[dict[str, Any]]]] = {}
    for run, summary in finished_runs(folder):
        chosen = summary.get("choices")
        name = chosen.get("experiment") if isinstance(chosen, dict) else None
        found = re.match(r"study_([1-7])(?:_|$)", str(name))
        if found:
            check_results(run / "summary.json", summary["results"])
            newest[int(found[1])] = (str(run), summary["results"])
    return newest
