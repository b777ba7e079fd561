"""Build report.html: one file that names no address outside itself."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from fewshot_fer import __version__
from fewshot_fer.reports.html.charts import COLOURED, group_curves
from fewshot_fer.reports.html.collect import Run
from fewshot_fer.reports.html.differences import Difference, command, differences
from fewshot_fer.reports.html.embedding_maps import Map, map_chart
from fewshot_fer.reports.html.groups import Group, Result
from fewshot_fer.reports.html.leaderboard import (
    boards,
    details,
    settings_text,
    title,
    varied_keys,
)
from fewshot_fer.reports.html.matrices import Matrix, RecallTable, heat_maps, matrix, recall_table
from fewshot_fer.reports.html.mistakes import Copies, Mistake, hardest_pictures
from fewshot_fer.reports.html.page_limit import drawn_curves
from fewshot_fer.reports.transfer import TransferMatrix

HARD_CLASSES = 3  # of a group, with pictures
MOST_CURVES = 6  # pictures, those with the most runs
MOST_GROUPS = 12  # with pictures of mistakes and of hard classes


@dataclass(frozen=True)
class Shown:
    """A picture on the page: the number of its copy or None, and the lines below it."""

    number: int | None
    name: str
    lines: list[str]


@dataclass
class Findings:
    """Content of the larger files of all runs.

    mistakes: by number of the run, then by (role, protocol, method); counts: by place of the group,
    as from `PictureCounts.total`; transfers: the sweep's name with each matrix.
    """

    mistakes: Mapping[int, Mapping[tuple[str, str, str], list[Mistake]]] = field(
        default_factory=dict
    )
    counts: Mapping[int, pd.DataFrame] = field(default_factory=dict)
    maps: Sequence[Map] = ()
    transfers: Sequence[tuple[str, TransferMatrix]] = ()


@dataclass(frozen=True)
class Card:
    """A run with everything that is known of it.

    curves: None where the page has no room for them, nor for matrices and mistakes.
    """

    run: Run
    settings: str
    words: str  # text that the page's filter searches
    differences: list[Difference]
    command: str | None
    curves: Markup | None
    matrices: list[Matrix]
    mistakes: list[tuple[str, list[Shown]]]
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class ClassesOf:
    """The classes of a group: the recall of each, and the pictures of the hardest."""

    title: str
    details: str
    recall: RecallTable
    hardest: list[tuple[str, float | None, list[Shown]]]


def build_page(
    runs: Sequence[Run],
    groups: Sequence[Group],
    findings: Findings,
    problems: Sequence[str],
    with_pictures: bool = True,
) -> str:
    """Return the text of report.html."""
    copies = Copies() if with_pictures else Copies(most=0)
    context = _context(runs, groups, findings, copies)
    context["picture_style"] = copies.style()
    context |= {"pictures": copies, "with_pictures": with_pictures, "problems": problems}
    context |= {"version": __version__, "made": time.strftime("%Y-%m-%d %H:%M")}
    here = files("fewshot_fer.reports.html")
    for name in ("style.css", "page.js"):
        context[name.replace(".", "_")] = Markup((here / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["percent"] = _percent
    template = environment.from_string((here / "page.html.j2").read_text(encoding="utf-8"))
    # A lone half of a character can stand in a summary's escapes: no file in UTF-8 can hold it.
    return template.render(context).encode("utf-8", "replace").decode("utf-8")


def _context(
    runs: Sequence[Run], groups: Sequence[Group], findings: Findings, copies: Copies
) -> dict[str, Any]:
    keys = varied_keys(runs)
    evaluated = [group for group in groups if group.row["role"] != "train"]
    drawn = drawn_curves(runs, groups, findings.mistakes)
    return {
        "runs": runs,
        "boards": boards(groups),
        "transfers": findings.transfers,
        "maps": [(one, map_chart(one, copies), one.class_names) for one in findings.maps],
        "classes": list(_classes(groups, findings, copies)),
        "mistakes": list(_group_mistakes(groups, findings, copies)),
        "curves": _curves(evaluated),
        "heat_maps": heat_maps(groups),
        "cards": [_card(run, keys, drawn.get(run.number), findings, copies) for run in runs],
        "drawn": len(drawn),
        "coloured": COLOURED,
    }


def _curves(groups: Sequence[Group]) -> list[tuple[str, Markup, list[Run]]]:
    drawn = []
    validated = [group for group in groups if group.row["role"] == "validation"]
    validated = [group for group in validated if group.row["level"] != "clip_vote"]  # no epochs'
    for group in sorted(validated, key=lambda group: -len(group.results))[:MOST_CURVES]:
        chart, drawn_runs = group_curves(group)
        if chart:
            drawn.append((title(group), chart, drawn_runs))
    return drawn


def _classes(groups: Sequence[Group], findings: Findings, copies: Copies) -> Iterator[ClassesOf]:
    for place, group in enumerate(groups):
        recall = recall_table(group) if group.row["role"] != "train" else None
        if recall is None:
            continue
        counts = findings.counts.get(place) if place < MOST_GROUPS else None
        hardest = []
        for name, mean in list(zip(recall.class_names, recall.mean, strict=True))[:HARD_CLASSES]:
            hard = hardest_pictures(counts, name) if counts is not None else []
            shown = [
                Shown(copies.number(path), path, [f"{right:.0f} of {times:.0f} right"])
                for path, right, times in hard
            ]
            hardest.append((name, mean, shown))
        yield ClassesOf(title(group), details(group), recall, hardest)


def _group_mistakes(
    groups: Sequence[Group], findings: Findings, copies: Copies
) -> Iterator[tuple[str, Result, list[Shown]]]:
    for group in groups[:MOST_GROUPS]:
        result = group.best
        key = (result.row["role"], result.row["protocol"], result.row["method"])
        mistakes = findings.mistakes.get(result.run.number, {}).get(key, [])
        if mistakes and not str(result.row["level"]).startswith("clip"):
            yield title(group), result, [_mistake(one, copies) for one in mistakes]


def _mistake(mistake: Mistake, copies: Copies) -> Shown:
    lines = [f"{mistake.predicted} {100 * mistake.probability:.0f}\u00a0%", f"is {mistake.true}"]
    return Shown(copies.number(mistake.path), mistake.path, lines)


def _card(
    run: Run, keys: Sequence[str], curves: Markup | None, findings: Findings, copies: Copies
) -> Card:
    has_room = curves is not None
    found = findings.mistakes.get(run.number, {}) if has_room else {}
    changed = differences(run)
    mistakes = [
        (f"{role} {protocol}, {method}", [_mistake(one, copies) for one in wrong])
        for (role, protocol, method), wrong in found.items()
        if wrong
    ]
    return Card(
        run,
        settings_text(run, [one.key for one in changed if one.key in keys]),
        _words(run, changed),
        changed,
        command(run),
        curves,
        [matrix(confusion) for confusion in run.confusions] if has_room else [],
        mistakes,
        list(_facts(run)),
    )


def _words(run: Run, changed: Sequence[Difference]) -> str:
    changes = [f"{one.key}={one.value}" for one in changed]
    seed = f"seed={run.everything['seed']}" if "seed" in run.everything else ""
    return " ".join([run.name, run.state, seed, *changes]).lower()


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of the facts about the making of a run."""
    found = (
        f"{row['role']} {row['protocol']} {row['warnings']}"
        for row in run.results
        if row["warnings"]
    )
    if warnings := dict.fromkeys(found):
        yield "the check found", "; ".join(warnings).replace(";", "; ")
    if title := run.everything.get("paper.title"):
        differs = run.everything.get("paper.differs")
        yield "after", str(title)
        yield "differs from it", " ".join(map(str, differs)) if isinstance(differs, list) else "?"
    done, planned = run.epochs
    if done:
        yield "epochs", f"{done} of {planned}" if planned else str(done)
    names = {"seconds": "seconds", "device": "device", "git_commit": "commit"}
    names |= {"fingerprint": "fingerprint", "command": "typed then", "run": "tested run"}
    for key, name in names.items():
        if run.summary.get(key) not in (None, ""):
            yield name, str(run.summary[key])
    versions = run.summary.get("versions")
    if isinstance(versions, dict):
        yield "versions", ", ".join(f"{name} {value}" for name, value in versions.items())
    yield "folder", str(run.folder)


def _percent(fraction: float | None, digits: int = 1) -> str:
    """Return a fraction in percent, a dash for none."""
    return "-" if fraction is None else f"{100 * fraction:.{digits}f}"
