"""The study's table beside ours: which runs are taken, what is said, how it fails."""

import json
import os
from pathlib import Path

import pytest
from conftest import Command

from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.reports.study import STUDY, study_table
from fewshot_fer.system.errors import RunError

RESULT = {
    "role": "test", "protocol": "afew_4w5s", "method": "protonet", "level": "image",
    "accuracy": 0.4, "ci95_low": 0.35, "ci95_high": 0.45, "group_ci95_low": 0.3,
    "group_ci95_high": 0.5, "chance": 0.25, "majority": 0.25, "trained_on_test": True,
}  # fmt: skip


def write_summary(folder: Path, experiment: str | None, *results: dict[str, object]) -> Path:
    """Make a run folder that holds a summary only."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = {"choices": {"experiment": experiment}, "results": list(results)}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def results(accuracy: float) -> list[dict[str, object]]:
    """Return results of the three roles; only the test's is given."""
    train = {**RESULT, "role": "train", "accuracy": 0.991, "chance": 1 / 3}
    return [
        train,
        {**RESULT, "role": "validation", "accuracy": 0.882},
        {**RESULT, "accuracy": accuracy},
    ]


def test_table_shows_ours_and_what_is_missing(command: Command, tmp_path: Path) -> None:
    """The newest run of each experiment, its roles side by side, stamped; the rest by command."""
    old = write_summary(
        tmp_path / "study/train/z_old", "study_1_basic_to_compound_4w5s", *results(0.1)
    )
    os.utime(old / "summary.json", (1, 1))
    write_summary(tmp_path / "study/a_new", "study_1_basic_to_compound_4w5s", *results(0.4))
    write_summary(tmp_path / "study/unlike", "demo", *results(0.2))
    write_summary(tmp_path / "study/plain", None, *results(0.2))
    outcome = command("report", "study=study")
    assert outcome.code == 0, outcome.err
    markdown = (outcome.folder / "study.md").read_text()
    first = next(line for line in outcome.out.splitlines() if line.startswith("1 "))
    assert first.split("  ")[-3:] == ["99.1 % (33.3)", "88.2 % (25.0) *", "40.0 % (25.0) *"]
    assert "| 99.1 % (33.3) | 88.2 % (25.0) \\* | 40.0 % (25.0) \\* |" in markdown
    for text in (outcome.out, markdown):
        assert "ACC 87 %, Loss 0.3093, test on AFEW val 37 %" in text
        assert "95 % naive 35.0..45.0, groups 30.0..50.0" in text
        assert "trained_on_test=true" in text
        assert "10.0 %" not in text
        for row in STUDY:
            assert (f"experiment={row.experiment}" in text) == (row.number != 1)
            assert row.meaning in text


def test_csv_has_a_row_for_every_result(tmp_path: Path) -> None:
    """A row a result, one without figures for a missing experiment; any name of the preset goes."""
    write_summary(tmp_path, "study_2_basic_7w1s", *results(0.2))
    table = study_table(tmp_path)
    assert table.columns[0] == "experiment"
    assert table["number"].tolist() == [1, 2, 2, 2, 3, 4, 5, 6, 7]
    assert table["accuracy"].isna().tolist() == [True, False, False, False] + 5 * [True]
    assert table.loc[1, ["role", "accuracy", "study_acc"]].tolist() == ["train", 0.991, 0.89]


def test_what_chance_could_have_done_is_said_so(command: Command, tmp_path: Path) -> None:
    """A figure whose interval holds chance is not told from it, and an unknown stamp is unknown."""
    near = {**RESULT, "group_ci95_low": 0.2, "trained_on_test": None}
    write_summary(tmp_path / "study", "study_3_afew_to_compound", near, RESULT)
    outcome = command("report", "study=study")
    assert outcome.out.count("could be chance") == 1
    assert "trained_on_test=unknown" in outcome.out


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("{", "summary.json is damaged"),
        (100_000 * "[", "summary.json is damaged"),
        ("[]", "has no results"),
        ('{"results": 3}', "has no results"),
        ('{"choices": {"experiment": "study_1"}, "results": []}', "has no results"),
        ('{"choices": {"experiment": "study_1"}, "results": [1]}', "result 1 is no object"),
        ('{"choices": {"experiment": "study_1"}, "results": [{}]}', "result 1 has no role"),
        (json.dumps({"choices": {"experiment": "study_1"},
                     "results": [RESULT, {**RESULT, "accuracy": float("nan")}]}),
         "result 2 has no number for accuracy"),
        ('{"choices": 3, "results": []}', "holds no finished run of the study"),
    ],
)  # fmt: skip
def test_damaged_summaries_are_named(
    command: Command, tmp_path: Path, content: str, culprit: str
) -> None:
    """One line with the file, exit code 2, and no folder left behind."""
    write_summary(tmp_path / "study", None)
    (tmp_path / "study/summary.json").write_text(content)
    outcome = command("report", "study=study")
    assert outcome.code == 2
    assert len(outcome.err.strip().splitlines()) == 1
    assert culprit in outcome.err
    assert not (tmp_path / "outputs").exists()


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    """Neither a folder that is not there nor an empty one gives an empty table."""
    with pytest.raises(RunError, match="gone is not a folder"):
        study_table(tmp_path / "gone")
    with pytest.raises(RunError, match="experiment=study_1_basic"):
        study_table(tmp_path)


def test_study_names_the_presets() -> None:
    """Each row of the table is a preset that exists."""
    presets = {path.stem for path in (conf_dir() / "experiment").glob("study_*.yaml")}
    assert {row.experiment for row in STUDY} == presets
