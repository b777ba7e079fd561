"""Write the study's table beside ours as text for the screen and as Markdown.

Both take the table of `study_table`: an overview with a line an experiment, then each experiment
with every result and its intervals.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from fewshot_fer.system.text import interval, percent, text_table

ROLES = ("train", "validation", "test")
HEADINGS = (
    *("#", "train set", "evaluation", "its ACC", "its test"),
    *("our train", "validation", "test"),
)
RESULT_HEADINGS = ("role", "protocol", "accuracy", "interval", "chance", "remark")
LEGEND = "Ours: accuracy (chance) of the newest run of each; * test images were in the training set"
Records = list[dict[str, Any]]


def study_text(table: pd.DataFrame) -> str:
    """Return the overview, a line an experiment, and below it every result with its intervals."""
    experiments = _by_experiment(table)
    overview = _aligned([HEADINGS, *map(_overview_cells, experiments)])
    return "\n\n".join([f"{overview}\n{LEGEND}", *map(_block, experiments)])


def study_markdown(table: pd.DataFrame) -> str:
    """Return the content of `study_text` in Markdown tables."""
    experiments = _by_experiment(table)
    overview = _markdown_table(HEADINGS, map(_overview_cells, experiments))
    legend = LEGEND.replace("*", "\\*")
    parts = ["# The study's table beside ours", overview, legend, *map(_section, experiments)]
    return "\n\n".join(parts) + "\n"


def _by_experiment(table: pd.DataFrame) -> list[Records]:
    """Return the results of each experiment; one without role for an experiment not run yet."""
    return [own.to_dict("records") for _, own in table.groupby("number")]  # type: ignore[misc]


def _is_missing(results: Records) -> bool:
    """Tell whether these are the results of an experiment that has not been run."""
    return not isinstance(results[0]["role"], str)


def _overview_cells(results: Records) -> tuple[str, ...]:
    """Return the cells under HEADINGS: the study's figures, and the headline of each role here."""
    first = results[0]
    printed = (_whole_percent(first["study_acc"]), _whole_percent(first["study_test"]))
    ours = [_headline(results, role) for role in ROLES]
    return (str(first["number"]), first["train_set"], first["evaluation"], *printed, *ours)


def _headline(results: Records, role: str) -> str:
    """Return accuracy (chance) of a role's first result, the one that its run puts first."""
    if _is_missing(results):
        return "not run" if role == ROLES[0] else ""
    own = [result for result in results if result["role"] == role]
    if not own:
        return "-"
    mark = " *" if own[0]["trained_on_test"] is True and role != ROLES[0] else ""
    return f"{percent(own[0]['accuracy'])} ({100 * own[0]['chance']:.1f}){mark}"


def _block(results: Records) -> str:
    """Return an experiment as lines of text."""
    first = results[0]
    lines = [f"{first['number']}  {first['experiment']}", f"   study: {_printed_figures(first)}"]
    if _is_missing(results):
        lines.append(f"   missing; this runs it: {_command(first)}")
    else:
        lines += [f"   {line}" for line in _aligned(list(map(_result_cells, results))).split("\n")]
        lines.append(f"   {_stamp(first)}; {first['run']}")
    return "\n".join([*lines, f"   {first['meaning']}"])


def _section(results: Records) -> str:
    """Return an experiment in Markdown."""
    first = results[0]
    parts = [f"## {first['number']}. {first['experiment']}", f"Study: {_printed_figures(first)}."]
    if _is_missing(results):
        parts.append(f"Missing; this runs it: `{_command(first)}`")
    else:
        parts.append(_markdown_table(RESULT_HEADINGS, map(_result_cells, results)))
        parts.append(f"`{_stamp(first)}`, `{first['run']}`")
    return "\n\n".join([*parts, f"What it means: {first['meaning']}."])


def _printed_figures(result: dict[str, Any]) -> str:
    """Return what the study prints for this experiment."""
    if pd.isna(result["study_acc"]):
        return "no number"
    text = f"ACC {_whole_percent(result['study_acc'])}, Loss {result['study_loss']:g}"
    if pd.isna(result["study_test"]):
        return text
    return f"{text}, test on {result['study_test_set']} {_whole_percent(result['study_test'])}"


def _command(result: dict[str, Any]) -> str:
    """Return the command that runs an experiment."""
    return f"python -m fewshot_fer.train experiment={result['experiment']}"


def _stamp(result: dict[str, Any]) -> str:
    """Return whether a run's training set held test images, as its results are stamped."""
    stamped = result["trained_on_test"]
    return f"trained_on_test={str(stamped).lower() if isinstance(stamped, bool) else 'unknown'}"


def _result_cells(result: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells under RESULT_HEADINGS."""
    level = "" if result["level"] == "image" else f" by {result['level'].replace('_', ' ')}"
    naive = interval(result["ci95_low"], result["ci95_high"])
    low, high = result["group_ci95_low"], result["group_ci95_high"]
    return (
        result["role"],
        f"{result['protocol']} {result['method']}{level}",
        percent(result["accuracy"]),
        f"95 % naive {naive}, groups {interval(low, high)}",
        f"chance {percent(result['chance'])}, majority {percent(result['majority'])}",
        "not told from chance" if low <= result["chance"] <= high else "",
    )


def _whole_percent(fraction: float | None) -> str:
    """Return a fraction as the study prints it, a dash for none."""
    return "-" if fraction is None or pd.isna(fraction) else f"{100 * fraction:.0f} %"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    return text_table(rows, left=len(rows[0]))


def _markdown_table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
