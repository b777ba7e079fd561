"""Confusion matrices, and the recall of each class over the runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.metrics import recalls
from fewshot_fer.reports.page.collect import Confusion
from fewshot_fer.reports.page.comparable import Group, Result


@dataclass(frozen=True)
class Matrix:
    """given: names of the columns, `no face` last where queries were lost; shares [C, columns]:
    percent of the true class; asked [C]."""

    role: str
    protocol: str
    true: list[str]
    given: list[str]
    shares: list[list[int]]
    asked: list[int]
    recalls: list[int | None]


def matrix(confusion: Confusion) -> Matrix:
    """Return a confusion matrix in percent of the true class."""
    counts, names = confusion.counts, confusion.class_names
    asked = counts.sum(axis=1)
    shares = np.rint(100 * counts / np.maximum(asked, 1)[:, None]).astype(int)
    given = names + ["no face"] * (counts.shape[1] - len(names))
    own = [None if np.isnan(share) else round(100 * share) for share in recalls(counts)]
    return Matrix(
        confusion.role, confusion.protocol, names, given, shares.tolist(), asked.tolist(), own
    )


@dataclass(frozen=True)
class RecallTable:
    """values [runs][classes]: recall 0..1 or None; mean: over the runs; order: hardest first."""

    class_names: list[str]
    runs: list[Result]
    values: list[list[float | None]]
    mean: list[float | None]


MOST_ROWS = 30


def recall_table(group: Group) -> RecallTable | None:
    """Return each class's recall in the runs of a group, hardest class first, best run first.

    Only headlines have a confusion matrix: of several levels or methods, the first of a run.
    """
    found = [(result, confusion_of(result)) for result in group.results]
    known = [(result, confusion) for result, confusion in found if confusion is not None]
    if not known:
        return None
    names = sorted({name for _, confusion in known for name in confusion.class_names})
    values = np.array([_recalls_by_name(confusion, names) for _, confusion in known])
    mean = _mean(values)
    order = np.argsort(np.where(np.isnan(mean), 2, mean), kind="stable")
    shown = values[:MOST_ROWS, order]
    return RecallTable(
        [names[place] for place in order],
        [result for result, _ in known[:MOST_ROWS]],
        [_or_none(row) for row in shown],
        _or_none(mean[order]),
    )


def confusion_of(result: Result) -> Confusion | None:
    """Return the matrix of a result, None where it has none of its own."""
    row = result.row
    same = [
        r
        for r in result.run.results
        if (r["role"], r["protocol"]) == (row["role"], row["protocol"])
    ]
    if same[0] is not row:
        return None
    for confusion in result.run.confusions:
        if (confusion.role, confusion.protocol) == (row["role"], row["protocol"]):
            return confusion
    return None


def _recalls_by_name(confusion: Confusion, names: Sequence[str]) -> list[float]:
    own = dict(zip(confusion.class_names, recalls(confusion.counts), strict=True))
    return [float(own.get(name, np.nan)) for name in names]


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / known.sum(axis=0), dtype=np.float64)


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
