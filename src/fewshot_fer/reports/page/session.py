"""From run folders to report.csv, report.html and the lines on screen."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fewshot_fer.reports.page.answered import Asked, Mistake
from fewshot_fer.reports.page.collect import Run, collect_runs, warn_of
from fewshot_fer.reports.page.comparable import Group, group_results
from fewshot_fer.reports.page.embeddings import make_maps
from fewshot_fer.reports.page.page import MOST_GROUPS, Findings, Key, build_page
from fewshot_fer.reports.page.reading_answers import each_answers
from fewshot_fer.reports.page.screen import screen_text
from fewshot_fer.reports.page.table import report_table

AnswerKey = tuple[int, str, str, str, str]


def runs_report(
    roots: Sequence[Path], embeddings: bool = True, pictures: bool = True
) -> tuple[dict[str, str], str]:
    """Return the files of the report, name to content, and what goes on screen.

    embeddings: draw maps, for which pictures are decoded and embedded; pictures: put small copies
    of them in the page. Raises RunError where the folders hold no run at all.
    """
    runs, problems = collect_runs(roots)
    groups = group_results(runs)
    findings, more = find_in_answers(runs, groups, embeddings)
    problems = [*problems, *more]
    warn_of(problems)
    page = build_page(runs, groups, findings, problems, pictures)
    table = report_table(runs).to_csv(index=False)
    files = {"report.csv": table.encode("utf-8", "replace").decode("utf-8"), "report.html": page}
    return files, screen_text(runs, groups)


def find_in_answers(
    runs: Sequence[Run], groups: Sequence[Group], embeddings: bool
) -> tuple[Findings, list[str]]:
    """Read predictions.csv and answers.csv of all runs, a few runs at a time, and make the maps.

    Returns lines on what is damaged too.
    """
    place_of = _places(groups)
    best = {_answer_key(group) for group in groups}
    asked: dict[int, Asked] = {}
    of_best: dict[AnswerKey, pd.DataFrame] = {}
    mistakes: dict[int, dict[Key, list[Mistake]]] = {}
    problems = []
    for run, read in zip(runs, each_answers([run.folder for run in runs]), strict=True):
        mistakes[run.number] = read.mistakes
        run.problems += read.problems
        for kind, answers in read.asked.items():
            key = (run.number, *kind)
            if key in place_of and place_of[key] < MOST_GROUPS:
                asked.setdefault(place_of[key], Asked()).add(answers)
            if key in best:
                of_best[key] = answers
        problems += [f"{run.name}: {problem}" for problem in read.problems]
    maps, missing = make_maps(groups, of_best) if embeddings else ([], [])
    tables = {place: one.table() for place, one in asked.items()}
    return Findings(mistakes, tables, maps), problems + missing


def _places(groups: Sequence[Group]) -> dict[AnswerKey, int]:
    """Return the place of the group that each evaluation's answers belong to."""
    places: dict[AnswerKey, int] = {}
    for place, group in enumerate(groups):
        for result in group.results:
            row = result.row
            key = (result.run.number, row["role"], row["protocol"], row["method"], row["level"])
            places.setdefault(key, place)
    return places


def _answer_key(group: Group) -> AnswerKey:
    row = group.best.row
    return (group.best.run.number, row["role"], row["protocol"], row["method"], row["level"])
