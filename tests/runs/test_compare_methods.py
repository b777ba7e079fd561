"""Other methods on the episodes of a run's own: what is written, and that gains are paired."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, assert_one_line

from fewshot_fer.evaluation.results import EvaluationResult
from fewshot_fer.runs import evaluate_run
from fewshot_fer.runs.folder import RunFolder

METHODS = ["protonet", "simpleshot", "tim", "composed"]


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[EvaluationResult]:
    """What a command evaluates, in its order: the accuracy of each episode is in no file."""
    seen: list[EvaluationResult] = []
    write = evaluate_run.add_evaluation

    def noted(folder: RunFolder, evaluated: EvaluationResult, with_confusion: bool = True) -> None:
        seen.append(evaluated)
        write(folder, evaluated, with_confusion)

    monkeypatch.setattr(evaluate_run, "add_evaluation", noted)
    return seen


def test_methods_are_held_against_the_runs_own(
    data: Path, command: Command, evaluations: list[EvaluationResult]
) -> None:
    """methods.csv by hand from the episodes; confusion, recalls and warnings are those of a run
    that was tested as it was trained."""
    asked = ("test=compound_4w5s", "test.k_shot=1", "test.n_query=2", "test.episodes=12")
    trained = command(
        "train", *TINY, "train.epochs=1", f"paths.data={data}", "eval.k_shot=1", *asked
    ).folder
    evaluations.clear()
    outcome = command("test", f"run={trained}", *asked, "methods=simpleshot,tim,composed")
    assert outcome.code == 0, outcome.err
    folder = outcome.folder
    table = pd.read_csv(folder / "methods.csv", keep_default_na=False)
    assert table["method"].tolist() == METHODS
    own = evaluations[0].each
    assert own is not None
    for row, evaluated in zip(table.to_dict("records"), evaluations, strict=True):
        assert evaluated.each is not None
        gains = evaluated.each - own
        half = 1.959964 * np.sqrt(((gains - gains.mean()) ** 2).sum() / 11) / np.sqrt(12)
        assert row["episodes"] == 12
        assert row["accuracy"] == pytest.approx(evaluated.each.mean(), abs=1e-5)
        assert row["gain"] == pytest.approx(gains.mean(), abs=1e-5)
        assert row["gain_low"] == pytest.approx(gains.mean() - half, abs=1e-5)
        assert row["gain_high"] == pytest.approx(gains.mean() + half, abs=1e-5)
    assert (table["uses"] != "").tolist() == [False, False, True, True]
    _check_results(folder, trained, table)


def _check_results(folder: Path, trained: Path, table: pd.DataFrame) -> None:
    results = pd.read_csv(folder / "results.csv", keep_default_na=False)
    assert results["method"].tolist() == METHODS
    assert results["accuracy"].tolist() == table["accuracy"].tolist()
    assert results["uses"].tolist() == table["uses"].tolist()
    assert len(set(results["episodes_id"])) == 1
    assert len(json.loads((folder / "summary.json").read_text())["results"]) == len(METHODS)
    before = pd.read_csv(trained / "results.csv", keep_default_na=False).set_index("role")
    columns = ["accuracy", "group_ci95_low", "loss", "episodes_id", "warnings"]
    assert results.loc[0, columns].tolist() == before.loc["test", columns].tolist()
    assert "shared_images:" in results.loc[0, "warnings"]  # what validation asks is tested too
    name = "confusion_test_compound_4w1s.csv"
    assert (folder / name).read_bytes() == (trained / name).read_bytes()
    recalled = pd.read_csv(folder / "recalls.csv")
    known = pd.read_csv(trained / "recalls.csv")
    pd.testing.assert_frame_equal(recalled, known[known["role"] == "test"].reset_index(drop=True))


def test_all_methods_in_a_sweep(command: Command) -> None:
    """-m methods=all composes; the run that it names is looked for next."""
    outcome = command("test", "-m", "run=gone", "test=compound_4w5s", "methods=all", "seed=0,1")
    assert outcome.code == 1
    assert outcome.err.count("gone") == 2


def test_a_fixed_support_is_refused(command: Command) -> None:
    """Methods are compared in episodes, of which it has none."""
    refused = command("test", "run=gone", "test=afew_fixed5", "methods=tim")
    assert_one_line(refused, "has a fixed support")
