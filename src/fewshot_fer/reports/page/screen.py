"""What the report says on screen: how many runs, and the best of each group."""

from collections.abc import Sequence

from fewshot_fer.reports.page.collect import FINISHED, Run
from fewshot_fer.reports.page.comparable import Group, Result
from fewshot_fer.reports.page.leaderboard import interval, title

BEST = 3  # of a group
MOST_GROUPS = 20


def screen_text(runs: Sequence[Run], groups: Sequence[Group]) -> str:
    """Return the counts and the best results of each group that was not trained on."""
    finished = sum(run.state == FINISHED for run in runs)
    results = sum(len(run.results) for run in runs)
    head = f"{len(runs)} runs, {finished} of them finished, {results} results"
    asked = [group for group in groups if group.row["role"] != "train"]
    blocks = [_block(group) for group in asked[:MOST_GROUPS]]
    if len(asked) > MOST_GROUPS:
        blocks.append(f"and {len(asked) - MOST_GROUPS} more tables in report.html")
    return "\n\n".join([head, *blocks])


def _block(group: Group) -> str:
    level = (
        "" if group.row["level"] == "image" else f", by {str(group.row['level']).replace('_', ' ')}"
    )
    lines = [f"{title(group)}{level}; chance {100 * group.row['chance']:.1f} %"]
    shown = group.results[:BEST]
    if not any(result is group.best for result in shown):
        shown = [*shown, group.best]
    lines += [f"   {_line(result)}" for result in shown]
    if len(group.results) > len(shown):
        lines.append(f"   and {len(group.results) - len(shown)} more")
    return "\n".join(lines)


def _line(result: Result) -> str:
    low, high = interval(result.row)
    span = "" if low is None or high is None else f" ({100 * low:.1f}..{100 * high:.1f})"
    uses = result.row["uses"]
    known = [f"uses {uses}"] if uses else []
    remarks = [*known, *result.spoiled, *(["not told from chance"] if result.at_chance else [])]
    said = f"   {'; '.join(remarks)}" if remarks else ""
    accuracy = f"{100 * result.row['accuracy']:5.1f} %{span:15}"
    return f"{accuracy}  {result.row['method']:10}  {result.run.name}{said}"
