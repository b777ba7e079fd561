"""The study's seven experiments: its numbers, and those of the newest run of each.

The study's own table, and what each of its numbers means.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.runs.read import check_results, finished_runs
from fewshot_fer.system.errors import RunError


@dataclass(frozen=True)
class Published:
    """A row of the study's table; accuracies are fractions, None where it prints none.

    experiment: the file in conf/experiment that repeats it.
    """

    number: int
    experiment: str
    train_set: str
    evaluation: str
    accuracy: float | None
    loss: float | None
    test: float | None
    test_set: str
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
    rows: list[dict[str, Any]] = []
    for published in STUDY:
        printed = _printed(published)
        run, results = newest.get(published.number, (None, [{}]))
        rows += [{**result, **printed, "run": run} for result in results]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _printed(published: Published) -> dict[str, Any]:
    """Return the columns that come from the study."""
    return {
        "experiment": published.experiment,
        "number": published.number,
        "train_set": published.train_set,
        "evaluation": published.evaluation,
        "study_acc": published.accuracy,
        "study_loss": published.loss,
        "study_test": published.test,
        "study_test_set": published.test_set,
        "meaning": published.meaning,
    }


def _newest(folder: Path) -> dict[int, tuple[str, list[dict[str, Any]]]]:
    """Return the newest finished run of each experiment, by number, with its results."""
    newest: dict[int, tuple[str, list[dict[str, Any]]]] = {}
    for run, summary in finished_runs(folder):
        chosen = summary.get("choices")
        name = chosen.get("experiment") if isinstance(chosen, dict) else None
        found = re.match(r"study_([1-7])(?:_|$)", str(name))
        if found:
            check_results(run / "summary.json", summary["results"])
            newest[int(found[1])] = (str(run), summary["results"])
    return newest
