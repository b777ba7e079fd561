"""Compare runs on the queries that both classified: paired difference, interval, verdict.

Runs are compared image by image on the same episodes. As text, accuracies are in percent and
differences in points.
"""

from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import pandas as pd

from fewshot_fer.evaluation.paired import paired_interval, verdict
from fewshot_fer.runs.find import folder_fault
from fewshot_fer.runs.read import Unreadable, read_answers, read_results, require
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.text import percent

SHARED = ["role", "protocol", "level"]
OTHER_EPISODES, NOTHING_SHARED = "other episodes", "nothing in common"
OTHER_PICTURES = "the files of the same names hold other pictures: part of the difference is theirs"
COLUMNS = (
    "reference", "run", "letter", *SHARED, "reference_method", "method", "images", "groups",
    "reference_accuracy", "accuracy", "difference", "ci95_low", "ci95_high", "verdict", "pictures",
    "reference_uses", "uses",
)  # fmt: skip
REMEDY = (
    "give both the same seed and shape, or episodes.save=FILE in the one and episodes.load=FILE in "
    "the other"
)
NOTE = (
    "The 95 % interval is a paired bootstrap over the clips, subjects or images of the queries.\n"
    "It speaks of these runs as they were trained: another seed of the training moves both."
)


def compare_report(runs: list[Path], seed: int) -> tuple[dict[str, str], str]:
    """Return the file of a comparison, name to content, and the text for the screen."""
    table = compare_runs(runs, seed)
    return {"compare.csv": table.to_csv(index=False, float_format="%.6g")}, compare_text(table)


def compare_runs(runs: list[Path], seed: int) -> pd.DataFrame:
    """Return a row for each evaluation that the first run, A, shares with another: B, C and so on.

    accuracy, reference_accuracy: fractions of the answers; difference: the run's less that of the
    reference, with its 95 % interval; images, groups: of the queries; pictures: `same` or `other`
    contents of the files, empty where a run does not say; uses, reference_uses: as in results.csv.
    Where the two answered other episodes, or a run shares nothing, the figures are empty. Raises
    RunError where all are.
    """
    answers = [_read(run) for run in runs]
    rows: list[dict[str, Any]] = []
    for number in range(1, len(runs)):
        names = {"reference": str(runs[0]), "run": str(runs[number])}
        names["letter"] = ascii_uppercase[number]
        found = list(_compared(answers[0], answers[number], names, seed))
        rows += [names | row for row in found or [{"verdict": NOTHING_SHARED}]]
    if all(row["verdict"] in (OTHER_EPISODES, NOTHING_SHARED) for row in rows):
        raise RunError(_nothing_shared(rows))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare_text(table: pd.DataFrame) -> str:
    """Return the rows of `compare_runs` for people: who is who, then each evaluation."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    runs = {"A": f"{rows[0]['reference']}  (the reference)"}
    runs |= {row["letter"]: str(row["run"]) for row in rows}
    head = "\n".join(f"{letter}  {run}" for letter, run in runs.items())
    return "\n\n".join([head, *map(_block, rows), NOTE])


def pair_answers(reference: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each image: group, label, asked, correct (the reference's) and other.

    The runs may have read the same images from different folders. Raises RunError where they did
    not answer the same images equally often.
    """
    for name in (str, _short):
        keys, other_keys = reference["path"].map(name), other["path"].map(name)
        if not keys.is_unique or set(keys) != set(other_keys) or len(keys) != len(other_keys):
            continue
        answered = other.set_index(other_keys).loc[keys]
        if np.allclose(answered["asked"], reference["asked"], rtol=1e-4):
            paired = reference[["group", "label", "asked", "correct"]].reset_index(drop=True)
            return paired.assign(other=answered["correct"].to_numpy())
    raise RunError("the queries are not the same, though their episodes_id is: damaged")


def _read(run: Path) -> pd.DataFrame:
    """Return a run's answers.csv, whole. Raises RunError."""
    fault = folder_fault(run)
    if fault:
        raise RunError(fault)
    file = run / "answers.csv"
    table, faults = require(read_answers, file)
    if faults:
        raise RunError(f"{file} is damaged: {faults[0]}")
    if table.empty:
        raise RunError(f"{file} has no answers")
    for column in ("images_id", "uses"):
        table[column] = _of_results(run / "results.csv", table, column)
    return table


def _of_results(results: Path, answers: pd.DataFrame, column: str) -> list[str]:
    """Return what results.csv says in a column of each answer's row, "" where it does not."""
    try:
        rows, _ = read_results(results)
    except Unreadable:
        rows = []
    named = ["role", "protocol", "episodes_id", "method"]
    known = {tuple(row[key] for key in named): row[column] or "" for row in rows}
    return [known.get(key, "") for key in answers[named].itertuples(index=False, name=None)]


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
        "pictures": _pictures(reference["images_id"].iloc[0], other["images_id"].iloc[0]),
        "reference_uses": reference["uses"].iloc[0],
        "uses": other["uses"].iloc[0],
    }


def _pictures(reference: str, other: str) -> str:
    if not (reference and other):
        return ""
    return "same" if reference == other else "other"


def _short(path: str) -> str:
    """Return what names an image wherever its data set lies, as the id of the episodes does."""
    return "/".join(path.replace("\\", "/").split("/")[-4:])


def _nothing_shared(rows: list[dict[str, Any]]) -> str:
    asked = [row for row in rows if row["verdict"] == OTHER_EPISODES]
    if not asked:
        return (
            "nothing to compare: no role, protocol and level that the runs share; test both the "
            "same way: python -m fewshot_fer.test run=... test=..."
        )
    where = dict.fromkeys(f"{row['role']} {row['protocol']}" for row in asked)
    return f"nothing to compare: different episodes were drawn in {', '.join(where)}; {REMEDY}"


def _block(row: dict[str, Any]) -> str:
    if row["verdict"] == NOTHING_SHARED:
        return f"{row['letter']}: no role, protocol and level in common with A"
    level = "" if row["level"] == "image" else f", by {row['level'].replace('_', ' ')}"
    title = f"{row['role']} {row['protocol']}{level}"
    if row["verdict"] == OTHER_EPISODES:
        return f"{title}: A and {row['letter']} answered different episodes; {REMEDY}"
    what = "clips" if row["level"].startswith("clip") else "images"
    others = f"\n   {OTHER_PICTURES}" if row["pictures"] == "other" else ""
    for letter, uses in (("A", row["reference_uses"]), (row["letter"], row["uses"])):
        others += f"\n   {letter} knows {uses}" if uses else ""
    return (
        f"{title}: {row['images']:.0f} {what} of {row['groups']:.0f} groups\n"
        f"   A {row['reference_method']} {percent(row['reference_accuracy'])}   "
        f"{row['letter']} {row['method']} {percent(row['accuracy'])}   "
        f"{row['letter']} - A {100 * row['difference']:+.1f} points "
        f"(95 %: {100 * row['ci95_low']:+.1f}..{100 * row['ci95_high']:+.1f})   "
        f"{row['verdict']}{others}"
    )
