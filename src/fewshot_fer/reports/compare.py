"""Is one run better than another? The paired difference on what both were asked."""

from pathlib import Path

import numpy as np
import pandas as pd

from fewshot_fer.answers import COLUMNS as ANSWER_COLUMNS
from fewshot_fer.bootstrap import resample_groups
from fewshot_fer.errors import RunError
from fewshot_fer.reports.reading import read_table

KEY = ["role", "protocol", "method", "level"]
ORDER = (
    "reference", "run", *KEY, "reference_accuracy", "accuracy", "difference", "ci95_low",
    "ci95_high", "verdict",
)  # fmt: skip


def compare_runs(runs: list[Path], seed: int) -> pd.DataFrame:
    """Return a row for each protocol that the first run shares with another.

    difference: accuracy of the run less that of the reference, on the same images, asked equally
    often; its 95 % interval is a bootstrap over groups of the difference itself, so that what makes
    an image hard for both is no part of it. Raises RunError where no two runs answered the same
    episodes, and says why.
    """
    reference, *others = [(run, read_table(run / "answers.csv", ANSWER_COLUMNS)) for run in runs]
    rows, refused = [], []
    for run, answers in others:
        for values, own in answers.groupby(KEY, sort=False):
            key = tuple(map(str, values))
            theirs = _of(reference[1], key)
            if theirs.empty:
                continue
            if set(theirs["episodes_id"]) != set(own["episodes_id"]):
                refused.append(f"{key[1]} of {run.name}")
                continue
            figures = _difference(theirs, own, seed)
            names = {"reference": reference[0].name, "run": run.name}
            rows.append({**names, **dict(zip(KEY, key, strict=True)), **figures})
    if not rows:
        reason = f": other episodes were asked in {', '.join(refused)}" if refused else ""
        raise RunError(
            f"nothing that the runs both answered{reason}. Give both the same seed, or "
            f"episodes.save= in the one and episodes.load= in the other"
        )
    return pd.DataFrame(rows, columns=list(ORDER))


def _of(answers: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    """Return the reference's answers to the same protocol: by the same method if it has it.

    A classifier and a prototype may be compared on one fixed support, so another will do.
    """
    role, protocol, method, level = key
    asked = answers[["role", "protocol", "level"]] == [role, protocol, level]
    same = answers[asked.all(axis=1)]
    by_method = same[same["method"] == method]
    return by_method if len(by_method) else same[same["method"] == same["method"].head(1).max()]


def _difference(reference: pd.DataFrame, run: pd.DataFrame, seed: int) -> dict[str, object]:
    both = reference.merge(run, on="path", suffixes=("_reference", ""), validate="one_to_one")
    asked = both["asked"].to_numpy(dtype=np.float64)
    difference = (both["correct"] - both["correct_reference"]).to_numpy(dtype=np.float64)
    groups = pd.factorize(both["group"])[0].astype(np.int64)
    nested = both[["group", "label"]].drop_duplicates()["group"].is_unique
    strata = pd.factorize(both["label"])[0].astype(np.int64) if nested else None
    resampled = resample_groups(difference, asked, groups, strata, seed)
    low, high = (-1.0, 1.0) if resampled is None else np.quantile(resampled, [0.025, 0.975])
    return {
        "reference_accuracy": float(both["correct_reference"].sum() / asked.sum()),
        "accuracy": float(both["correct"].sum() / asked.sum()),
        "difference": float(difference.sum() / asked.sum()),
        "ci95_low": float(low),
        "ci95_high": float(high),
        "verdict": "better" if low > 0 else "worse" if high < 0 else "no difference shown",
    }


def compare_text(table: pd.DataFrame) -> str:
    """Return the table for people, in points."""
    lines = []
    for _, row in table.iterrows():
        level = "" if row["level"] == "image" else f" by {str(row['level']).replace('_', ' ')}"
        lines.append(
            f"{row['role']} {row['protocol']} {row['method']}{level}: "
            f"{row['run']} {100 * row['accuracy']:.1f} %, "
            f"{row['reference']} {100 * row['reference_accuracy']:.1f} %: "
            f"difference {100 * row['difference']:+.1f} points "
            f"({100 * row['ci95_low']:+.1f}..{100 * row['ci95_high']:+.1f}): {row['verdict']}"
        )
    return "\n".join(lines)
