"""The study's table beside ours, as Markdown."""

from collections.abc import Iterable

import pandas as pd

from fewshot_fer.reports.study_text import (
    HEADINGS,
    LEGEND,
    Records,
    by_experiment,
    command,
    is_missing,
    overview_cells,
    printed_figures,
    result_cells,
    stamp,
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
