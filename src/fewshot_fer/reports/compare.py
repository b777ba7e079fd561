"""Is one run better than another? The paired difference on what both were asked."""

from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pandas as pd

from fewshot_fer.errors import RunError
from fewshot_fer.reports.pairing import pair_answers, paired_interval, verdict
from fewshot_fer.reports.reading import read_answers

SHARED = ["role", "protocol", "level"]
OTHER_EPISODES, NOTHING_SHARED = "other episodes", "nothing in common"
COLUMNS = (
    "reference", "run", "letter", *SHARED, "reference_method", "method", "images", "groups",
    "reference_accuracy", "accuracy", "difference", "ci95_low", "ci95_high", "verdict",
)  # fmt: skip
REMEDY = (
    "give both the same seed and shape, or episodes.save=FILE in the one and episodes.load=FILE in "
    "the other"
)


def compare_runs(runs: list[Path], seed: int) -> pd.DataFrame:
    """Return a row for each evaluation that the first run, A, shares with another: B, C and so on.

    accuracy, reference_accuracy: fractions of the answers; difference: the run's less that of the
    reference, with its 95 % interval; images, groups: how many were asked. Where the two answered
    other episodes, or a run shares nothing, the figures are empty. Raises RunError where nothing
    can be compared.
    """
    answers = [read_answers(run) for run in runs]
    rows: list[dict[str, Any]] = []
    for number in range(1, len(runs)):
        names = {"reference": str(runs[0]), "run": str(runs[number])}
        names["letter"] = ascii_uppercase[number]
        found = list(_compared(answers[0], answers[number], names, seed))
        rows += [names | row for row in found or [{"verdict": NOTHING_SHARED}]]
    if all(row["verdict"] in (OTHER_EPISODES, NOTHING_SHARED) for row in rows):
        raise RunError(_nothing_shared(rows))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compared(
    reference: pd.DataFrame, other: pd.DataFrame, names: dict[str, str], seed: int
) -> Iterator[dict[str, Any]]:
    """Yield a row without names for each evaluation that both tables hold."""
    for key, own in other.groupby(SHARED, sort=False):
        same = reference[reference[SHARED].eq(list(key)).all(axis=1)]
        if key[2] == "clip_complete":  # the clips that were lost in it are not among the answers
            continue
        for method, own_method in _methods(same, own):
            left, right = same[same["method"] == method], own[own["method"] == own_method]
            row = dict(zip(SHARED, key, strict=True))
            row |= {"reference_method": method, "method": own_method}
            if set(left["episodes_id"]) != set(right["episodes_id"]):
                yield row | {"verdict": OTHER_EPISODES}
                continue
            yield row | _figures(left, right, names, seed)


def _methods(reference: pd.DataFrame, other: pd.DataFrame) -> list[tuple[str, str]]:
    """Return which methods to pair: each with itself, one that a run has alone with all others.

    So a classifier of one run meets the prototypes of another on the same fixed support.
    """
    left, right = list(reference["method"].unique()), list(other["method"].unique())
    return [(a, b) for a in left for b in right if a == b or a not in right or b not in left]


def _figures(
    reference: pd.DataFrame, other: pd.DataFrame, names: dict[str, str], seed: int
) -> dict[str, Any]:
    try:
        paired = pair_answers(reference, other)
    except RunError as error:
        where = " ".join(reference[SHARED].iloc[0])
        raise RunError(f"{names['run']}/answers.csv, {where}: {error}") from error
    interval = paired_interval(paired, seed)
    asked = paired["asked"].sum()
    return {
        "images": len(paired),
        "groups": paired["group"].nunique(),
        "reference_accuracy": paired["correct"].sum() / asked,
        "accuracy": paired["other"].sum() / asked,
        "difference": (paired["other"] - paired["correct"]).sum() / asked,
        "ci95_low": interval[0],
        "ci95_high": interval[1],
        "verdict": verdict(paired, interval, ("A", names["letter"])),
    }


def _nothing_shared(rows: list[dict[str, Any]]) -> str:
    asked = [row for row in rows if row["verdict"] == OTHER_EPISODES]
    if not asked:
        return (
            "nothing to compare: no role, protocol and level that the runs share; test both the "
            "same way: python -m fewshot_fer.test run=... test=..."
        )
    where = dict.fromkeys(f"{row['role']} {row['protocol']}" for row in asked)
    return f"nothing to compare: different episodes were asked in {', '.join(where)}; {REMEDY}"
