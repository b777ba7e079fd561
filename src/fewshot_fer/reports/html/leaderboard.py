"""Make a leaderboard of each group of comparable results, for the page and for the screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from fewshot_fer.reports.html.charts import dot
from fewshot_fer.reports.html.collect import FINISHED, Run
from fewshot_fer.reports.html.differences import ASIDE, shown
from fewshot_fer.reports.html.groups import Group, Result
from fewshot_fer.system.text import interval, percent

LEVELS = {
    "image": "image by image",
    "frame": "frame by frame",
    "clip": "clip by clip",
    "clip_complete": "clip by clip, clips without a face count as errors",
    "clip_vote": "clip by clip, the frames of each vote",
}
AT_CHANCE = "could be chance"  # the interval holds it
MOST_SETTINGS = 6  # that differ between runs, beside a run's name
BEST = 3  # results of a group on screen
MOST_GROUPS = 20  # on screen


@dataclass(frozen=True)
class Line:
    """A row of a leaderboard: the cells, and what it is sorted and filtered by."""

    result: Result
    same: str  # equal letters: the very same episodes
    settings: str  # in which the runs of the page differ
    remarks: list[str]  # not finished, could be chance
    bar: Markup

    @property
    def words(self) -> str:
        """Text that the page's filter searches, beside the words of the run."""
        row, warnings = self.result.row, self.result.warnings.invalidating
        texts = [str(row["method"]), self.settings, str(row["uses"] or ""), *warnings]
        texts.append(self.result.start)
        return " ".join([*texts, *self.remarks]).lower()


@dataclass(frozen=True)
class Board:
    """A table of comparable results: its title, what guessing gives, and its lines."""

    anchor: str
    role: str
    title: str
    details: str
    chance: float
    majority: float | None
    lines: list[Line]


def boards(groups: Sequence[Group]) -> list[Board]:
    """Return the leaderboards; beside each run stand the settings in which those of its table
    differ."""
    made = []
    for number, group in enumerate(groups, start=1):
        row, letters = group.row, _letters(group)
        keys = varied_keys([result.run for result in group.results])
        lines = [_line(result, letters, keys) for result in group.results]
        texts = (f"group-{number}", str(row["role"]), title(group), details(group))
        made.append(Board(*texts, float(row["chance"]), row["majority"], lines))
    return made


def screen_text(runs: Sequence[Run], groups: Sequence[Group]) -> str:
    """Return the counts and the best results of each group that was not trained on."""
    finished = sum(run.state == FINISHED for run in runs)
    results = sum(len(run.results) for run in runs)
    head = f"{len(runs)} runs, {finished} of them finished, {results} results"
    evaluated = [group for group in groups if group.row["role"] != "train"]
    blocks = [_block(group) for group in evaluated[:MOST_GROUPS]]
    if len(evaluated) > MOST_GROUPS:
        blocks.append(f"and {len(evaluated) - MOST_GROUPS} more tables in report.html")
    return "\n\n".join([head, *blocks])


def title(group: Group) -> str:
    """Return a group's name: role, protocol, data set and shape."""
    row = group.row
    shape = f"{row['n_way']} classes"
    if row["k_shot"] or (row["k_shot"] == 0 and row["role"] != "train"):
        shape = f"{row['n_way']}-way {row['k_shot']}-shot"
    return f"{row['role']} {row['protocol']}: {row['dataset']}, {shape}"


def details(group: Group) -> str:
    """Return what else makes the results of a group comparable: level, split, images."""
    row = group.row
    texts = [LEVELS.get(str(row["level"]), str(row["level"]))]
    if row["pooling"]:
        texts[0] += f" ({row['pooling']})"
    if row["deviation"] is not None:
        texts.append("every image is a query, against a fixed support")
    if row["disjoint"]:
        texts.append(f"support and query share no {row['disjoint']}")
    for key, name in (("dataset.split", "split"), ("support_split", "support from split")):
        if group.shared(key) not in (None, ""):
            texts.append(f"{name} {group.shared(key)}")
    for key in ("dataset.root", "dataset.file"):
        if group.shared(key):
            texts.append(str(group.shared(key)))
    if row["n_images"] is not None and not group.shared("support_split"):
        groups = (
            "" if row["n_groups"] in (None, row["n_images"]) else f" of {row['n_groups']} groups"
        )
        texts.append(f"{row['n_images']} {'frames' if row['unit'] == 'clip' else 'images'}{groups}")
    return ", ".join(texts)


def settings_text(run: Run, keys: Sequence[str]) -> str:
    """Return some settings of a run in short."""
    settings = run.everything
    known = [f"{key}={shown(settings[key])}" for key in keys if key in settings]
    more = len(known) - MOST_SETTINGS
    return " ".join(known[:MOST_SETTINGS]) + (f" and {more} more" if more > 0 else "")


def varied_keys(runs: Sequence[Run]) -> list[str]:
    """Return the settings in which these runs are not all equal, the seed first.

    What is tested, and where data and results lie, is left out.
    """
    everything = [run.everything for run in runs if run.settings]
    keys = dict.fromkeys(key for settings in everything for key in settings)
    found = [
        key
        for key in keys
        if not key.startswith(("test.", "paths."))
        and key not in (*ASIDE, "checkpoint")
        and len({shown(settings.get(key)) for settings in everything if key in settings}) > 1
    ]
    return sorted(found, key=lambda key: key != "seed")


def _letters(group: Group) -> dict[Any, str]:
    """Return a letter for each set of episodes that two results or more share."""
    ids = [result.row["episodes_id"] for result in group.results if result.row["episodes_id"]]
    shared = [one for one in dict.fromkeys(ids) if ids.count(one) > 1]
    if len(set(ids)) < 2:
        return {}
    return {one: chr(ord("A") + place % 26) for place, one in enumerate(shared)}


def _line(result: Result, letters: dict[Any, str], keys: Sequence[str]) -> Line:
    row, run = result.row, result.run
    remarks = [] if run.state == FINISHED else ["not finished"]
    if result.at_chance and row["role"] != "train":
        remarks.append(AT_CHANCE)
    if row["trained_on_test"] is None and row["role"] == "test":
        remarks.append("not known what it was trained on")
    if row["gain"] is not None:
        gain, low, high = (f"{100 * row[key]:+.1f}" for key in ("gain", "gain_low", "gain_high"))
        over = f"{gain} points ({low} to {high}) over embeddings of clips"
        remarks.append(f"{over}: {row['verdict']}")
    remarks += [text for text in result.warnings.noted if text.startswith("trained")]
    same = letters.get(row["episodes_id"], "")
    return Line(result, same, settings_text(run, keys), remarks, _bar(result))


def _bar(result: Result) -> Markup:
    """Return 0..100 % with chance, majority, the interval and the accuracy."""
    row, (low, high) = result.row, result.interval
    shape = Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>')
    shapes = [shape.format("rail", 0, 150, 9, 9)]
    for kind in ("chance", "majority"):
        if row[kind] is not None:
            shapes.append(shape.format(kind, 150 * row[kind], 150 * row[kind], 2, 16))
    if low is not None and high is not None:
        shapes.append(shape.format("interval", 150 * low, 150 * high, 9, 9))
    shapes.append(dot(150 * row["accuracy"], 9, 3.5, "accuracy"))
    return Markup('<svg class="bar" viewBox="-4 0 158 18" aria-hidden="true">{}</svg>').format(
        Markup("").join(shapes)
    )


def _block(group: Group) -> str:
    row = group.row
    level = "" if row["level"] == "image" else f", by {str(row['level']).replace('_', ' ')}"
    lines = [f"{title(group)}{level}; chance {percent(row['chance'])}"]
    first = group.results[:BEST]
    if not any(result is group.best for result in first):
        first = [*first, group.best]
    lines += [f"   {_screen_line(result)}" for result in first]
    if len(group.results) > len(first):
        lines.append(f"   and {len(group.results) - len(first)} more")
    return "\n".join(lines)


def _screen_line(result: Result) -> str:
    low, high = result.interval
    span = "" if low is None or high is None else f" ({interval(low, high)})"
    remarks = [f"uses {result.row['uses']}"] if result.row["uses"] else []
    remarks += [result.start] if result.start else []
    remarks += result.warnings.invalidating
    remarks += [AT_CHANCE] if result.at_chance else []
    known = f"   {'; '.join(remarks)}" if remarks else ""
    accuracy = f"{percent(result.row['accuracy']):>7}{span:15}"
    return f"{accuracy}  {result.row['method']:10}  {result.run.name}{known}"
