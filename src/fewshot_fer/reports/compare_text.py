"""A comparison as text for the screen: percent, and differences in points."""

from typing import Any

import pandas as pd

from fewshot_fer.reports.compare import NOTHING_SHARED, OTHER_EPISODES, REMEDY

NOTE = (
    "The 95 % interval is a paired bootstrap over the clips, subjects or images that were asked.\n"
    "It speaks of these runs as they were trained: another seed of the training moves both."
)


def compare_text(table: pd.DataFrame) -> str:
    """Return the rows of `compare_runs` for people: who is who, then each evaluation."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    runs = {"A": f"{rows[0]['reference']}  (the reference)"}
    runs |= {row["letter"]: str(row["run"]) for row in rows}
    head = "\n".join(f"{letter}  {run}" for letter, run in runs.items())
    return "\n\n".join([head, *map(_block, rows), NOTE])


def _block(row: dict[str, Any]) -> str:
    if row["verdict"] == NOTHING_SHARED:
        return f"{row['letter']}: no role, protocol and level in common with A"
    level = "" if row["level"] == "image" else f", by {row['level']}"
    title = f"{row['role']} {row['protocol']}{level}"
    if row["verdict"] == OTHER_EPISODES:
        return f"{title}: A and {row['letter']} answered different episodes; {REMEDY}"
    what = "clips" if row["level"] == "clip" else "images"
    return (
        f"{title}: {row['images']:.0f} {what} of {row['groups']:.0f} groups\n"
        f"   A {row['reference_method']} {_percent(row['reference_accuracy'])}   "
        f"{row['letter']} {row['method']} {_percent(row['accuracy'])}   "
        f"{row['letter']} - A {100 * row['difference']:+.1f} points "
        f"(95 %: {100 * row['ci95_low']:+.1f}..{100 * row['ci95_high']:+.1f})   {row['verdict']}"
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"
