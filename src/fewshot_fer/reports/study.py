"""The study's table beside our own figures, and what each number means."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.reports.reading import finished_runs


@dataclass(frozen=True)
class StudyRow:
    """A row of the study: its experiment here, its printed accuracy and test, as fractions."""

    experiment: str
    title: str
    printed: float | None
    printed_test: float | None
    meaning: str


TRAINING = "the study's ACC is most probably that of its training episodes: compare it with `train`"
STUDY = (
    StudyRow(
        "study_1_basic_to_compound_4w5s",
        "RAF-DB basic -> compound, 4-way 5-shot",
        0.87,
        0.37,
        f"{TRAINING}; its test rests on 400 answers, so 37 % is 37 ± 4.7",
    ),
    StudyRow(
        "study_2_basic_to_compound_7w1s",
        "RAF-DB basic -> compound, 7-way 1-shot",
        0.89,
        0.16,
        f"{TRAINING}; a test of 16 % cannot be told from 7-way chance, 14.3 %",
    ),
    StudyRow(
        "study_3_afew_to_compound",
        "AFEW -> compound, 4-way 5-shot",
        0.95,
        0.33,
        f"{TRAINING}; the study let frames of one clip be both support and query",
    ),
    StudyRow(
        "study_4_mixed",
        "RAF-DB basic + AFEW clips -> AFEW val",
        0.95,
        None,
        f"{TRAINING}; the same seven labels in training and validation: another domain, not new "
        f"classes",
    ),
    StudyRow(
        "study_5_resnet50",
        "supervised ResNet-50 -> AFEW val",
        0.18,
        None,
        "always giving one class scores as much: an ImageNet ResNet-50 at 18 % is no baseline",
    ),
    StudyRow(
        "study_6_fixed_support",
        "as 4, fixed support of 50 a class, every frame asked",
        None,
        None,
        "the study prints no number; all classes at once, so it stands beside row 5",
    ),
    StudyRow(
        "study_7_balanced",
        "as 6, about 3,000 training images a class",
        None,
        None,
        "the study prints no number; what balancing changes is the difference to row 6",
    ),
)
COLUMNS = (
    "experiment", "study_acc", "study_test", "role", "protocol", "method", "level", "accuracy",
    "ci95_low", "ci95_high", "group_ci95_low", "group_ci95_high", "chance", "trained_on_test",
    "run", "meaning",
)  # fmt: skip


def study_table(folder: Path) -> pd.DataFrame:
    """Return a row for each result of the newest run of each experiment, a bare row where none is.

    Raises RunError where `folder` is none, or a summary in it is damaged.
    """
    newest: dict[str, tuple[Path, dict[str, Any]]] = {}
    for run, summary in finished_runs(folder):
        newest[str((summary.get("choices") or {}).get("experiment"))] = (run, summary)
    rows: list[dict[str, Any]] = []
    for row in STUDY:
        common = {"experiment": row.experiment, "study_acc": row.printed, "meaning": row.meaning}
        common |= {"study_test": row.printed_test}
        if row.experiment not in newest:
            rows.append(common)
            continue
        run, summary = newest[row.experiment]
        rows += [{**result, **common, "run": str(run)} for result in summary["results"]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def study_text(table: pd.DataFrame) -> str:
    """Return the table for people: per experiment the study's numbers, ours, and the meaning."""
    blocks = []
    for number, row in enumerate(STUDY, start=1):
        own = table[(table["experiment"] == row.experiment) & table["accuracy"].notna()]
        lines = [f"{number}  {row.title}", f"   study        {_printed(row)}"]
        lines += [f"   {_result(result)}" for _, result in own.iterrows()]
        if own.empty:
            command = f"python -m fewshot_fer.train experiment={row.experiment}"
            lines.append(f"   not run yet: {command}")
        blocks.append("\n".join([*lines, f"   {row.meaning}"]))
    return "\n\n".join(blocks)


def _printed(row: StudyRow) -> str:
    accuracy = "-" if row.printed is None else f"{100 * row.printed:.0f} %"
    test = "-" if row.printed_test is None else f"{100 * row.printed_test:.0f} %"
    return f"ACC {accuracy}, test {test}"


def _result(result: "pd.Series[Any]") -> str:
    stamp = "  TRAINED ON TEST IMAGES" if str(result["trained_on_test"]).lower() == "true" else ""
    what = f"{result['protocol']} {result['method']}"
    level = "" if result["level"] == "image" else f" by {str(result['level']).replace('_', ' ')}"
    return (
        f"{result['role']:<12} {what + level:<36} {100 * result['accuracy']:5.1f} %"
        f"  episodes {100 * result['ci95_low']:.1f}..{100 * result['ci95_high']:.1f}"
        f"  groups {100 * result['group_ci95_low']:.1f}..{100 * result['group_ci95_high']:.1f}"
        f"  chance {100 * result['chance']:.1f} %{stamp}"
    )
