"""The study's table beside ours, as text for the screen.

The study's table beside ours, as Markdown.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

ROLES = ("train", "validation", "test")
HEADINGS = (
    "#",
    "train set",
    "evaluation",
    "its ACC",
    "its test",
    "our train",
    "validation",
    "test",
)
LEGEND = "Ours: accuracy (chance) of the newest run of each; * test images were in the training set"
Records = list[dict[str, Any]]


def study_text(table: pd.DataFrame) -> str:
    """Return the overview, a line an experiment, and below it every result with its intervals."""
    experiments = by_experiment(table)
    overview = aligned([HEADINGS, *(overview_cells(results) for results in experiments)])
    blocks = [_block(results) for results in experiments]
    return "\n\n".join(["\n".join([overview, LEGEND]), *blocks])


def by_experiment(table: pd.DataFrame) -> list[Records]:
    """Return the results of each experiment; one without role for an experiment not run yet."""
    return [own.to_dict("records") for _, own in table.groupby("number")]  # type: ignore[misc]


def is_missing(results: Records) -> bool:
    """Tell whether these are the results of an experiment that has not been run."""
    return not isinstance(results[0]["role"], str)


def overview_cells(results: Records) -> tuple[str, ...]:
    """Return the cells under HEADINGS: the study's figures, and the headline of each role here."""
    first = results[0]
    printed = (percent(first["study_acc"], 0), percent(first["study_test"], 0))
    ours = [_headline(results, role) for role in ROLES]
    return (str(first["number"]), first["train_set"], first["evaluation"], *printed, *ours)


def _headline(results: Records, role: str) -> str:
    """Return accuracy (chance) of a role's first result, the one that its run puts first."""
    if is_missing(results):
        return "not run" if role == ROLES[0] else ""
    own = [result for result in results if result["role"] == role]
    if not own:
        return "-"
    stamp = " *" if own[0]["trained_on_test"] is True and role != ROLES[0] else ""
    return f"{percent(own[0]['accuracy'])} ({100 * own[0]['chance']:.1f}){stamp}"


def _block(results: Records) -> str:
    first = results[0]
    lines = [f"{first['number']}  {first['experiment']}", f"   study: {printed_figures(first)}"]
    if is_missing(results):
        lines.append(f"   missing; this runs it: {command(first)}")
    else:
        lines += [f"   {line}" for line in aligned(map(result_cells, results)).split("\n")]
        lines.append(f"   {stamp(first)}; {first['run']}")
    return "\n".join([*lines, f"   {first['meaning']}"])


def printed_figures(result: dict[str, Any]) -> str:
    """Return what the study prints for this experiment."""
    if pd.isna(result["study_acc"]):
        return "no number"
    text = f"ACC {percent(result['study_acc'], 0)}, Loss {result['study_loss']:g}"
    if pd.isna(result["study_test"]):
        return text
    return f"{text}, test on {result['study_test_set']} {percent(result['study_test'], 0)}"


def command(result: dict[str, Any]) -> str:
    """Return what to type to run an experiment."""
    return f"python -m fewshot_fer.train experiment={result['experiment']}"


def stamp(result: dict[str, Any]) -> str:
    """Return the stamp of a run's results: were test images in the training set?"""
    stamped = result["trained_on_test"]
    return f"trained_on_test={str(stamped).lower() if isinstance(stamped, bool) else 'unknown'}"


def result_cells(result: dict[str, Any]) -> tuple[str, ...]:
    """Return a result in cells: role, protocol, accuracy, both intervals, chance, remark."""
    level = "" if result["level"] == "image" else f" by {result['level'].replace('_', ' ')}"
    within = result["group_ci95_low"] <= result["chance"] <= result["group_ci95_high"]
    return (
        result["role"],
        f"{result['protocol']} {result['method']}{level}",
        percent(result["accuracy"]),
        f"95 % naive {_interval(result, 'ci95')}, groups {_interval(result, 'group_ci95')}",
        f"chance {percent(result['chance'])}, majority {percent(result['majority'])}",
        "not told from chance" if within else "",
    )


def _interval(result: dict[str, Any], name: str) -> str:
    return f"{100 * result[name + '_low']:.1f}..{100 * result[name + '_high']:.1f}"


def percent(fraction: float | None, digits: int = 1) -> str:
    """Return a fraction in percent, a dash for none."""
    if fraction is None or pd.isna(fraction):
        return "-"
    return f"{100 * fraction:.{digits}f} %"


def aligned(rows: "Sequence[tuple[str, ...]] | map[tuple[str, ...]]") -> str:
    """Return rows of cells as lines with columns below one another."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


RESULT_HEADINGS = ("role", "protocol", "accuracy", "interval", "chance", "remark")


def study_markdown(table: pd.DataFrame) -> str:
    """Return what `study_text` says, in Markdown tables."""
    experiments = by_experiment(table)
    overview = _table(HEADINGS, map(overview_cells, experiments))
    legend = LEGEND.replace("*", "\\*")
    parts = ["# The study's table beside ours", overview, legend, *map(_section, experiments)]
    return "\n\n".join(parts) + "\n"


def _section(results: Records) -> str:
    first = results[0]
    parts = [f"## {first['number']}. {first['experiment']}", f"Study: {printed_figures(first)}."]
    if is_missing(results):
        parts.append(f"Missing; this runs it: `{command(first)}`")
    else:
        parts += [_table(RESULT_HEADINGS, map(result_cells, results))]
        parts.append(f"`{stamp(first)}`, `{first['run']}`")
    return "\n\n".join([*parts, f"What it means: {first['meaning']}."])


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
