"""Lay the published study's table beside the newest run of each of its seven experiments."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer.runs.find import folder_fault
from fewshot_fer.runs.read import Row, read_summary, require, result_fault
from fewshot_fer.system.errors import RunError


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


def study_table(folder: Path) -> pd.DataFrame:
    """Return a row for each result of the newest run of each experiment, a bare row where none is.

    Accuracies are fractions. ci95: the naive interval, over episodes or answers; group_ci95: over
    clips, subjects or images. Raises RunError where `folder` holds no run of the study, or a
    summary in it is damaged.
    """
    newest = _newest(folder)
    if not newest:
        raise RunError(
            f"{folder} holds no finished run of the study: "
            f"python -m fewshot_fer.train experiment={STUDY[0].experiment} starts one"
        )
    rows: list[Row] = []
    for published in STUDY:
        run, results = newest.get(published.number, (None, [{}]))
        rows += [{**result, **asdict(published), "run": run} for result in results]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _newest(folder: Path) -> dict[int, tuple[str, list[Row]]]:
    """Return the newest finished run of each experiment, by number, with its results."""
    newest: dict[int, tuple[str, list[Row]]] = {}
    for file in _summaries(folder):
        summary = require(read_summary, file)
        chosen = summary.get("choices")
        name = chosen.get("experiment") if isinstance(chosen, dict) else None
        found = re.match(r"study_([1-7])(?:_|$)", str(name))
        if found:
            _check_results(file, summary["results"])
            newest[int(found[1])] = (str(file.parent), summary["results"])
    return newest


def _summaries(folder: Path) -> list[Path]:
    """Return each summary.json in or below a folder, oldest first. Raises RunError."""
    fault = folder_fault(folder)
    if fault:
        raise RunError(fault)
    return sorted(folder.rglob("summary.json"), key=lambda file: (file.stat().st_mtime_ns, file))


def _check_results(file: Path, results: list[object]) -> None:
    if not results:
        raise RunError(f"{file} has no results")
    for number, result in enumerate(results, start=1):
        fault = result_fault(result, NEEDED)
        if fault:
            raise RunError(f"{file} is damaged: result {number} {fault}")
