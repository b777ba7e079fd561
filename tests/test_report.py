"""Reports: the study's table, and paired differences that can be trusted."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, Outcome
from numpy.typing import NDArray

from fewshot_fer.answers import COLUMNS
from fewshot_fer.reports.compare import compare_runs
from fewshot_fer.reports.study import STUDY


def write_answers(
    folder: Path,
    correct: NDArray[np.float64],
    groups: NDArray[np.int64],
    episodes: str = "same",
    method: str = "protonet",
) -> Path:
    """Make a run folder that holds answers only: each image asked once."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"path": np.arange(len(correct)), "group": groups, "correct": correct})
    table = table.assign(role="test", protocol="afew_4w5s", level="image", asked=1.0, label="x")
    table = table.assign(method=method, episodes_id=episodes)
    table.to_csv(folder / "answers.csv", columns=list(COLUMNS), index=False)
    return folder


def test_difference_holds_the_truth_and_pairing_narrows_it(tmp_path: Path) -> None:
    """95 of 100 intervals hold the true difference; clips hard for both runs cost nothing."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 6)
    held, widths = 0, []
    for trial in range(300):
        hard = np.repeat(random.beta(0.5, 0.5, 60), 6) * 0.8
        gain = np.repeat(random.normal(0.1, 0.05, 60), 6)
        first = (random.random(360) < hard).astype(float)
        second = (random.random(360) < np.clip(hard + gain, 0, 1)).astype(float)
        truth = (np.clip(hard + gain, 0, 1) - hard).mean()
        runs = [
            write_answers(tmp_path / str(run), answers, groups)
            for run, answers in enumerate((first, second))
        ]
        row = compare_runs(runs, seed=trial).iloc[0]
        held += row["ci95_low"] <= truth <= row["ci95_high"]
        widths.append(row["ci95_high"] - row["ci95_low"])
        assert row["difference"] == pytest.approx(second.mean() - first.mean())
    assert held / 300 == pytest.approx(0.95, abs=0.035)
    by_clip = [first.reshape(60, 6).mean(1).std() for first in (first, second)]
    unpaired = 2 * 1.96 * np.hypot(*by_clip) / np.sqrt(60)
    assert np.mean(widths) < 0.8 * unpaired


def test_equal_runs_show_no_difference(tmp_path: Path) -> None:
    """A run against itself is zero, and a clear gain is called one, either way round."""
    random = np.random.default_rng(1)
    groups = np.arange(300)
    weak = (random.random(300) < 0.3).astype(float)
    strong = np.maximum(weak, (random.random(300) < 0.3).astype(float))
    a, b = (
        write_answers(tmp_path / "a", weak, groups),
        write_answers(tmp_path / "b", strong, groups),
    )
    assert compare_runs([a, a], 0)[["difference", "verdict"]].iloc[0].tolist() == [
        0.0,
        "no difference shown",
    ]
    assert compare_runs([a, b], 0)["verdict"].tolist() == ["better"]
    assert compare_runs([b, a], 0)["verdict"].tolist() == ["worse"]
    c = write_answers(tmp_path / "c", strong, groups, method="classifier")
    assert compare_runs([a, c], 0)["method"].tolist() == ["classifier"]


def assert_one_line(outcome: Outcome, culprit: str) -> None:
    assert outcome.code == 2
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1
    assert culprit in lines[0]


def test_compare_says_what_cannot_be_compared(command: Command, tmp_path: Path) -> None:
    """Other episodes, no run, one run, a damaged table: one line, exit code 2, no folder."""
    right = np.ones(9)
    write_answers(tmp_path / "a", right, np.arange(9))
    write_answers(tmp_path / "b", right, np.arange(9), episodes="other")
    assert_one_line(command("report", "compare=a,b"), "other episodes were asked in afew_4w5s of b")
    assert_one_line(command("report", "compare=a,gone"), "answers.csv is not there")
    assert_one_line(command("report", "compare=a"), "one run")
    assert_one_line(command("report"), "study=outputs/..., or compare=")
    assert_one_line(command("report", "+typo=1"), "typo")
    (tmp_path / "b/answers.csv").write_text("role,path\n1,2")
    assert_one_line(command("report", "compare=a,b"), "has no column protocol")
    (tmp_path / "b/answers.csv").write_bytes(b"\xff\xfe\x00")
    assert_one_line(command("report", "compare=a,b"), "answers.csv")
    assert not (tmp_path / "outputs").exists()


def test_two_trained_runs_are_compared(command: Command, data: Path) -> None:
    """From two command lines to the verdict, on the same episodes of validation and test."""
    arguments = (*TINY, f"paths.data={data}", "test=afew_4w5s", "test.k_shot=2", "test.episodes=9")
    runs = [command("train", *arguments, f"train.epochs={epochs}").folder for epochs in (1, 2)]
    outcome = command("report", f"compare={runs[0]},{runs[1]}")
    assert outcome.code == 0, outcome.err
    assert outcome.folder is not None
    table = pd.read_csv(outcome.folder / "compare.csv")
    assert table["protocol"].tolist() == ["compound_4w5s", "afew_4w2s"]
    assert runs[1] is not None
    results = pd.read_csv(runs[1] / "results.csv").set_index("protocol")
    for row in table.itertuples():
        assert row.accuracy == pytest.approx(results.loc[row.protocol, "accuracy"], abs=1e-4)
    assert "points" in outcome.out


def test_study_table_shows_ours_and_what_is_missing(command: Command, tmp_path: Path) -> None:
    """The newest run of each experiment, stamped; the command for each that is missing."""
    result = {
        "role": "test", "protocol": "afew_4w5s", "method": "protonet", "level": "image",
        "accuracy": 0.4, "ci95_low": 0.3, "ci95_high": 0.5, "group_ci95_low": 0.2,
        "group_ci95_high": 0.6, "chance": 0.25, "trained_on_test": True,
    }  # fmt: skip
    for run, accuracy in (("old", 0.1), ("new", 0.4)):
        folder = tmp_path / "study/train" / run
        folder.mkdir(parents=True)
        summary = {"choices": {"experiment": STUDY[0].experiment}, "results": [result]}
        summary["results"] = [{**result, "accuracy": accuracy}]
        (folder / "summary.json").write_text(json.dumps(summary))
    os.utime(tmp_path / "study/train/old/summary.json", (1, 1))
    outcome = command("report", "study=study")
    assert outcome.code == 0, outcome.err
    assert " 40.0 %" in outcome.out
    assert " 10.0 %" not in outcome.out
    assert "ACC 87 %, test 37 %" in outcome.out
    assert "TRAINED ON TEST IMAGES" in outcome.out
    for row in STUDY[1:]:
        assert f"experiment={row.experiment}" in outcome.out
    assert outcome.folder is not None
    table = pd.read_csv(outcome.folder / "study.csv")
    assert table["experiment"].tolist() == [row.experiment for row in STUDY]
    (tmp_path / "study/train/new/summary.json").write_text("{")
    assert_one_line(command("report", "study=study"), "summary.json cannot be read")
    assert_one_line(command("report", "study=gone"), "gone is not a folder")


def test_study_names_the_presets() -> None:
    """Each row of the table is a preset that exists."""
    from fewshot_fer.config import conf_dir

    presets = {path.stem for path in (conf_dir() / "experiment").glob("study_*.yaml")}
    assert {row.experiment for row in STUDY} == presets
