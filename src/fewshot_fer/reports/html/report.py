"""Make report.csv, report.html and the lines on screen from folders of runs.

report.csv has a row for each result of each run, and one for each run without any.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.reports.html.collect import Run, collect_runs, log_problems
from fewshot_fer.reports.html.differences import GROUPS, differences, shown
from fewshot_fer.reports.html.embedding_maps import make_maps
from fewshot_fer.reports.html.groups import Group, ResultKey, group_results
from fewshot_fer.reports.html.leaderboard import screen_text
from fewshot_fer.reports.html.mistakes import PictureCounts, read_pictures
from fewshot_fer.reports.html.page import MOST_GROUPS, Findings, build_page
from fewshot_fer.reports.transfer import TransferMatrix, read_transfer
from fewshot_fer.runs.folder import RESULT_COLUMNS
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.progress import tqdm

PAGE = "report.html"
LEADING = ("run", "verb", "state", "sweep", "tested_run")


def runs_report(
    roots: Sequence[Path], embeddings: bool = True, pictures: bool = True
) -> tuple[dict[str, str], str]:
    """Return the files of the report, name to content, and the text for the screen.

    embeddings: draw maps, for which pictures are decoded and embedded; pictures: put small copies
    of them in the page. Raises RunError where the folders hold no run at all.
    """
    runs, problems = collect_runs(roots)
    groups = group_results(runs)
    findings, more = find_pictures(runs, groups, embeddings)
    findings.transfers, damaged = find_transfers(runs)
    problems = [*problems, *more, *damaged, *_other_pictures(groups)]
    log_problems(problems)
    page = build_page(runs, groups, findings, problems, pictures)
    table = report_table(runs).to_csv(index=False)
    files = {"report.csv": table.encode("utf-8", "replace").decode("utf-8"), PAGE: page}
    return files, screen_text(runs, groups)


def report_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the columns LEADING, `choices.<group>`, each setting that any run changes (with dots),
    RESULT_COLUMNS and `problems`.

    A setting stands in every row, also where it has its default value; beside a test those of the
    run that it tested, which `tested_run` names, as far as that is there. Figures are fractions.
    """
    keys = _changed_keys(runs)
    known = {run.folder.resolve(): run for run in runs if run.verb == "train"}
    rows: list[dict[str, Any]] = []
    for run in runs:
        first: dict[str, Any] = {"run": run.name, "verb": run.verb, "state": run.state}
        tested = known.get(Path(run.tested).expanduser().resolve()) if run.tested else None
        first |= {"sweep": run.sweep, "tested_run": tested.name if tested else run.tested}
        first |= {"problems": "; ".join(run.problems)} | _choices(run, tested)
        # Which tests a run had is no setting of those that test it later.
        own, every = run.settings, run.everything
        first |= {k: _cell((own if k.startswith("test.") else every).get(k)) for k in keys}
        for row in run.results or [{}]:
            rows.append(first | {key: _cell(row.get(key)) for key in RESULT_COLUMNS})
    columns = [*LEADING, *(f"choices.{group}" for group in GROUPS), *keys, *RESULT_COLUMNS]
    return pd.DataFrame(rows, columns=[*columns, "problems"], dtype=object)


def find_transfers(runs: Sequence[Run]) -> tuple[list[tuple[str, TransferMatrix]], list[str]]:
    """Return (sweep, matrix) of each transfer.csv beside the runs, and a line on damaged ones."""
    found, problems = [], []
    for folder in dict.fromkeys(run.folder.parent.absolute() for run in runs):
        try:
            found += [(folder.name, matrix) for matrix in read_transfer(folder)]
        except RunError as error:
            problems.append(str(error))
    return found, problems


def find_pictures(
    runs: Sequence[Run], groups: Sequence[Group], embeddings: bool
) -> tuple[Findings, list[str]]:
    """Read predictions.csv and answers.csv of all runs, a few runs at a time, and make the maps.

    Returns lines on what is damaged too.
    """
    places = reversed(list(enumerate(groups)))  # of two groups with one key, the first counts
    place_of = {result.key: place for place, group in places for result in group.results}
    best = {group.best.key for group in groups}
    counts: dict[int, PictureCounts] = {}
    of_best: dict[ResultKey, pd.DataFrame] = {}
    mistakes = {}
    problems = []
    for run in tqdm(runs, "reading answers", unit="run", leave=False, disable=None):
        read = read_pictures(run.folder)
        mistakes[run.number] = read.mistakes
        run.problems += read.problems
        for kind, own in read.counts.items():
            key = (run.number, *kind)
            if place_of.get(key, MOST_GROUPS) < MOST_GROUPS:
                counts.setdefault(place_of[key], PictureCounts()).add(own)
            if key in best:
                of_best[key] = own
        problems += [f"{run.name}: {problem}" for problem in read.problems]
    maps, missing = make_maps(groups, of_best) if embeddings else ([], [])
    totals = {place: one.total() for place, one in counts.items()}
    return Findings(mistakes, totals, maps), problems + missing


def _other_pictures(groups: Sequence[Group]) -> list[str]:
    """Return a line for each group in which files of the same names held other pictures.

    A support of the evaluation's own images is taken out of them, seed by seed: left out here.
    """
    lines = []
    for group in groups:
        by_id = {str(result.row["images_id"]): result.run.name for result in group.results}
        by_id.pop("None", None)
        by_id.pop("", None)
        if len(by_id) > 1 and not group.shared("support_split"):
            names = ", ".join(list(by_id.values())[:2])
            lines.append(
                f"{group.row['role']} {group.row['protocol']}: the files held other pictures when "
                f"they were evaluated, though names and numbers are the same ({names} for two): "
                f"their figures are not comparable"
            )
    return lines


def _changed_keys(runs: Sequence[Run]) -> list[str]:
    """Return every setting that any of these runs, or a run that one tests, changes, in the order
    of the configuration."""
    tested = [Run(0, "", run.folder, settings=run.trained) for run in runs if run.trained]
    everything = [*runs, *tested]
    found = {difference.key for run in everything for difference in differences(run)} - {"test"}
    order = dict.fromkeys(key for run in everything for key in run.settings)
    return [key for key in order if key in found]


def _choices(run: Run, tested: Run | None) -> dict[str, str]:
    """Return which files of conf/ a run took or, for a test, the run that it tested."""
    chosen: dict[str, object] = {}
    for one in (tested, run):
        own = one.summary.get("choices") if one is not None else None
        chosen |= own if isinstance(own, dict) else {}
    return {f"choices.{group}": str(chosen.get(group) or "") for group in GROUPS}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool | list):
        return shown(value)
    return f"{value:.6g}" if isinstance(value, float) else value
