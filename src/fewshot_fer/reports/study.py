"""Lay the published study's table beside the newest run of each of its seven experiments.

As text for the screen and as Markdown: an overview with a line an experiment, then each experiment
with every result and its intervals.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.runs.find import folder_fault
from fewshot_fer.runs.read import Row, read_summary, require, result_fault
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.text import interval, percent, text_table


@dataclass(frozen=True)
class Published:
    """A row of the study's table, attributes named after the columns of study.csv.

    experiment: the file in conf/experiment that repeats it; study_acc, study_loss, study_test: as
    printed, accuracies as fractions, None where the study prints no number.
    """

    number: int
    experiment: str
    train_set: str
    evaluation: str
    study_acc: float | None
    study_loss: float | None
    study_test: float | None
    study_test_set: str
    meaning: str


TRAINING = "its ACC and Loss are most probably of the training episodes: compare them with `train`"
STUDY = (
    Published(
        1, "study_1_basic_to_compound_4w5s", "RAF-DB basic", "RAF-DB compound, 4-way 5-shot",
        0.87, 0.3093, 0.37, "AFEW val",
        f"{TRAINING}; 4-way chance is 25 %, and a test of 37 % from 100 episodes x 4 queries is "
        "37 ± 4.7",
    ),
    Published(
        2, "study_2_basic_to_compound_7w1s", "RAF-DB basic", "7-way 1-shot",
        0.89, 0.27, 0.16, "AFEW val",
        f"{TRAINING}; a test of 16 % cannot be told from 7-way chance, 14.3 %",
    ),
    Published(
        3, "study_3_afew_to_compound", "AFEW train", "4-way 5-shot",
        0.95, 0.12, 0.33, "RAF-DB compound",
        f"{TRAINING}; its support frames came from one clip that the queries could share, here no "
        "clip is on both sides (episodes.disjoint=group); 33 % from 400 "
        "answers is 33 ± 4.6, 4-way chance 25 %",
    ),
    Published(
        4, "study_4_mixed", "RAF-DB basic + AFEW clips", "AFEW val, 4-way 5-shot",
        0.95, 0.12, None, "",
        f"{TRAINING}; the same seven labels on both sides: another domain, not new classes",
    ),
    Published(
        5, "study_5_resnet50", "as 4, supervised ResNet-50", "AFEW val",
        0.18, 2.24, None, "",
        "18 % near the 7-way chance of 14.3 %: an ImageNet ResNet-50 at 18 % is not a working "
        "baseline; the same seven labels: another domain, not new classes",
    ),
    Published(
        6, "study_6_fixed_support", "as 4, less 50 images a class", "AFEW val, every image",
        None, None, None, "",
        "the study prints no number; all seven classes at once, so it can stand beside row 5",
    ),
    Published(
        7, "study_7_balanced", "as 6, about 3,000 a class", "AFEW val, every image",
        None, None, None, "",
        "the study prints no number; what balancing changes is the difference to row 6",
    ),
)  # fmt: skip
COLUMNS = (
    "experiment", "number", "train_set", "evaluation", "study_acc", "study_loss", "study_test",
    "study_test_set", "role", "protocol", "method", "level", "accuracy", "ci95_low", "ci95_high",
    "group_ci95_low", "group_ci95_high", "chance", "majority", "trained_on_test", "run", "meaning",
)  # fmt: skip
NEEDED = tuple(c for c in COLUMNS[8:] if c not in ("trained_on_test", "run", "meaning"))
"""Columns that a result must have to be shown."""
ROLES = ("train", "validation", "test")
HEADINGS = (
    "#", "train set", "evaluation", "its ACC", "its test", "our train", "validation", "test",
)  # fmt: skip
COMMAND = "python -m fewshot_fer.train experiment={}"
RESULT_HEADINGS = ("role", "protocol", "accuracy", "interval", "chance", "remark")
LEGEND = "Ours: accuracy (chance) of the newest run of each; * test images were in the training set"
Records = list[dict[Any, Any]]


def study_report(folder: Path) -> tuple[dict[str, str], str]:
    """Return the files of the study's report, name to content, and the text for the screen."""
    table = study_table(folder)
    # Of an experiment that has not been run there is one row, without a role.
    experiments: list[Records] = [own.to_dict("records") for _, own in table.groupby("number")]
    files = {"study.csv": table.to_csv(index=False, float_format="%.6g")}
    return files | {"study.md": _markdown(experiments)}, _text(experiments)


def study_table(folder: Path) -> pd.DataFrame:
    """Return a row for each result of the newest run of each experiment, a bare row where none is.

    Accuracies are fractions. ci95: the naive interval, over episodes or answers; group_ci95: over
    clips, subjects or images. Raises RunError where `folder` holds no run of the study, or a
    summary in it is damaged.
    """
    newest = _newest(folder)
    if not newest:
        first = COMMAND.format(STUDY[0].experiment)
        raise RunError(f"{folder} holds no finished run of the study: {first} starts one")
    rows: list[Row] = []
    for published in STUDY:
        run, results = newest.get(published.number, (None, [{}]))
        rows += [{**result, **asdict(published), "run": run} for result in results]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _text(experiments: list[Records]) -> str:
    """Return the overview, a line an experiment, and below it every result with its intervals."""
    overview = text_table([HEADINGS, *map(_overview_cells, experiments)], left=len(HEADINGS))
    return "\n\n".join([f"{overview}\n{LEGEND}", *map(_block, experiments)])


def _markdown(experiments: list[Records]) -> str:
    """Return the content of `_text` in Markdown tables."""
    overview = _markdown_table(HEADINGS, map(_overview_cells, experiments))
    legend = LEGEND.replace("*", "\\*")
    parts = ["# The study's table beside ours", overview, legend, *map(_section, experiments)]
    return "\n\n".join(parts) + "\n"


def _newest(folder: Path) -> dict[int, tuple[str, list[Row]]]:
    """Return the newest finished run of each experiment, by number, with its results."""
    newest: dict[int, tuple[str, list[Row]]] = {}
    if fault := folder_fault(folder):
        raise RunError(fault)
    summaries = folder.rglob("summary.json")
    for file in sorted(summaries, key=lambda file: (file.stat().st_mtime_ns, file)):
        summary = require(read_summary, file)
        chosen = summary.get("choices")
        name = chosen.get("experiment") if isinstance(chosen, dict) else None
        found = re.match(r"study_([1-7])(?:_|$)", str(name))
        if found:
            _check_results(file, summary["results"])
            newest[int(found[1])] = (str(file.parent), summary["results"])
    return newest


def _check_results(file: Path, results: list[object]) -> None:
    if not results:
        raise RunError(f"{file} has no results")
    for number, result in enumerate(results, start=1):
        if fault := result_fault(result, NEEDED):
            raise RunError(f"{file} is damaged: result {number} {fault}")


def _overview_cells(results: Records) -> tuple[str, ...]:
    """Return the cells under HEADINGS: the study's figures, and the headline of each role here."""
    first = results[0]
    printed = (_whole_percent(first["study_acc"]), _whole_percent(first["study_test"]))
    ours = [_headline(results, role) for role in ROLES]
    return (str(first["number"]), first["train_set"], first["evaluation"], *printed, *ours)


def _headline(results: Records, role: str) -> str:
    """Return accuracy (chance) of a role's first result, the one that its run puts first."""
    if not isinstance(results[0]["role"], str):
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
    if not isinstance(results[0]["role"], str):
        lines.append(f"   missing; this runs it: {COMMAND.format(first['experiment'])}")
    else:
        cells = text_table(list(map(_result_cells, results)), left=len(RESULT_HEADINGS))
        lines += [f"   {line}" for line in cells.split("\n")]
        lines.append(f"   {_stamp(first)}; {first['run']}")
    return "\n".join([*lines, f"   {first['meaning']}"])


def _section(results: Records) -> str:
    """Return an experiment in Markdown."""
    first = results[0]
    parts = [f"## {first['number']}. {first['experiment']}", f"Study: {_printed_figures(first)}."]
    if not isinstance(results[0]["role"], str):
        parts.append(f"Missing; this runs it: `{COMMAND.format(first['experiment'])}`")
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
        "could be chance" if low <= result["chance"] <= high else "",
    )


def _whole_percent(fraction: float | None) -> str:
    """Return a fraction as the study prints it, a dash for none."""
    return "-" if fraction is None or pd.isna(fraction) else f"{100 * fraction:.0f} %"


def _markdown_table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    escaped = [[cell.replace("|", "\\|").replace("*", "\\*") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
