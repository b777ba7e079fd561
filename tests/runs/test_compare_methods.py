"""Other methods on the episodes of a run's own: what is written, and that gains are paired."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command, assert_one_line, draw_pattern

from fewshot_fer.evaluation.results import EvaluationResult
from fewshot_fer.models.methods.frn import FRN
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


def test_a_run_on_feature_maps_beside_methods_on_embeddings(data: Path, command: Command) -> None:
    """FRN learns its scale over maps that its encoder then averages; others are centred on the
    training mean of the averages; pictures are classified by what the run compares."""
    network = ("backbone=face_expression", "backbone.weights=none", "backbone.image_size=32")
    shape = ("test=compound_4w5s", "test.k_shot=1", "test.episodes=6", "methods=simpleshot,dn4")
    words = [word for word in TINY if not word.startswith("backbone.")]
    own = ("method=frn", f"paths.data={data}", "hydra.run.dir=run")
    trained = command("train", *words, *network, *own, *shape, "eval.k_shot=1")
    assert trained.code == 0, trained.err
    table = pd.read_csv("run/methods.csv")
    assert table["method"].tolist() == ["frn", "simpleshot", "dn4"]
    stored = torch.load("run/best.pt", weights_only=True)
    assert stored["training_side"]["mean"].shape == (256,)
    assert stored["support"]["embeddings"].shape[1] == 256 * 2 * 2
    assert stored["method"]["scale"] != FRN(256).scale
    again = command("test", "run=run", *shape, "hydra.run.dir=again")
    assert again.code == 0, again.err
    columns = ["method", "accuracy", "gain"]
    pd.testing.assert_frame_equal(pd.read_csv("again/methods.csv")[columns], table[columns])


def test_class_frequency_is_the_majority_on_a_fixed_support(
    tmp_path: Path, command: Command
) -> None:
    """Pictures of the larger class are all right, others all wrong, whatever they show."""
    random = np.random.default_rng(0)
    for name, count in {"awe": 9, "calm": 15, "dread": 8}.items():
        for number in range(count):
            draw_pattern(tmp_path / "faces" / name / f"{number}.png", 0, random)
    faces = ("dataset=folder", "dataset.root=faces", "eval=folder_5w5s", "eval.dataset.root=faces")
    fixed = ("eval.kind=fixed", "eval.n_way=0", "eval.k_shot=2", "eval.support_split=all")
    fixed += ("eval.support_draws=1",)
    words = ("method=class_frequency", "method.normalise=none", "train=frozen", "device=cpu")
    outcome = command("train", *faces, *fixed, *words, "backbone.image_size=32")
    assert outcome.code == 0, outcome.err
    recalled = pd.read_csv(outcome.folder / "recalls.csv").set_index("class")["recall"]
    assert recalled.to_dict() == {"awe": 0.0, "calm": 1.0, "dread": 0.0}
    row = pd.read_csv(outcome.folder / "results.csv").iloc[-1]
    assert row["accuracy"] == pytest.approx(row["majority"])
