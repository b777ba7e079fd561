"""The commands as a user types them: what they write, what they say, and how they fail."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import TINY, Command, Outcome, assert_one_line, train_in

from fewshot_fer.runs import checkpoint as checkpoints
from fewshot_fer.runs.folder import METRIC_COLUMNS, RESULT_COLUMNS

SMALL_TEST = ("test.k_shot=2", "test.episodes=10")


@pytest.fixture
def trained(command: Command, data: Path) -> Outcome:
    """A finished tiny run: basic to compound, tested on AFEW."""
    outcome = command("train", *TINY, f"paths.data={data}", "test=afew_4w5s", *SMALL_TEST)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.fixture(scope="module")
def run(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run, for those that leave it as it is."""
    words = (f"paths.data={data}", "test=afew_4w5s", *SMALL_TEST)
    return train_in(tmp_path_factory.mktemp("run"), cache, *TINY, *words)


@pytest.mark.drawn
def test_train_writes_every_file(trained: Outcome) -> None:
    """Tables, summary, configuration, both checkpoints, pictures; and the columns they promise."""
    folder = trained.folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "answers.csv",
        "best.pt",
        "config.yaml",
        "confusion_test_afew_4w2s.csv",
        "confusion_test_afew_4w2s.png",
        "confusion_validation_compound_4w5s.csv",
        "confusion_validation_compound_4w5s.png",
        "curves.png",
        "data.json",
        "last.pt",
        "metrics.csv",
        "recalls.csv",
        "results.csv",
        "summary.json",
    ]
    metrics = pd.read_csv(folder / "metrics.csv")
    assert tuple(metrics.columns) == METRIC_COLUMNS
    assert metrics["epoch"].tolist() == [1, 2]
    assert metrics[["train_accuracy", "val_accuracy"]].to_numpy().min() >= 0
    results = pd.read_csv(folder / "results.csv")
    assert tuple(results.columns) == RESULT_COLUMNS
    assert results["role"].tolist() == ["train", "validation", "test"]
    assert results["protocol"].tolist() == ["train_3w2s", "compound_4w5s", "afew_4w2s"]
    assert results["dataset"].tolist() == ["rafdb_basic", "rafdb_compound", "afew"]
    assert results["disjoint"].tolist() == ["image", "image", "group"]
    assert results["n_images"].tolist() == [42, 77, 63]
    assert results["n_groups"].tolist() == [42, 77, 21]
    assert results["chance"].tolist() == pytest.approx([1 / 3, 1 / 4, 1 / 4], abs=1e-5)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["train"]["epochs"] == 2
    assert config["test"]["afew_4w5s"]["k_shot"] == 2
    assert "${" not in json.dumps(config)  # every setting, without interpolations
    # The stripes of each class are easy: were labels shifted against images, this would be chance.
    assert results["accuracy"].tolist()[1:] > [0.6, 0.6]
    assert (results["ci95_low"] <= results["accuracy"]).all()
    assert (results["accuracy"] <= results["ci95_high"]).all()


def test_results_agree_with_metrics_and_summary(trained: Outcome) -> None:
    """The validation row is the best epoch's; summary.json and the screen hold the same figures."""
    folder = trained.folder
    metrics = pd.read_csv(folder / "metrics.csv").set_index("epoch")
    results = pd.read_csv(folder / "results.csv").set_index("role")
    best = int(results.loc["validation", "epoch"])
    assert results.loc["validation", "accuracy"] == metrics["val_accuracy"].max()
    assert results.loc["validation", "loss"] == metrics.loc[best, "val_loss"]
    assert results.loc["train", "accuracy"] == metrics.loc[2, "train_accuracy"]
    assert results.loc["test", "epoch"] == best
    assert checkpoints.load_checkpoint(folder / "best.pt").epoch == best
    assert checkpoints.load_checkpoint(folder / "last.pt").epoch == 2
    summary = json.loads((folder / "summary.json").read_text())
    assert [row["role"] for row in summary["results"]] == ["train", "validation", "test"]
    assert summary["results"][2]["accuracy"] == pytest.approx(
        results.loc["test", "accuracy"], abs=1e-5
    )
    assert {"fingerprint", "versions", "seed", "seconds", "git_commit", "command"} <= set(summary)
    lines = trained.out.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert f"{100 * results.loc['test', 'accuracy']:.1f} %" in trained.out
    assert "25.0 %" in trained.out


@pytest.mark.usefixtures("demo")
def test_demo_needs_no_data(command: Command) -> None:
    """The main job on a small drawing of the embedded data set, to its tables. The command that
    draws it first is the README's first line, which .ci/run types."""
    outcome = command("train", "experiment=demo", *TINY, "demo.scale=0.02", "test.episodes=10")
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv")
    assert results["dataset"].tolist() == ["rafdb_basic", "rafdb_compound", "afew"]
    assert "officially" not in outcome.err
    again = command("test", f"run={outcome.folder}", "test=basic_7w1s", "test.episodes=10")
    assert again.code == 0, again.err


def test_same_seed_same_tables(command: Command, data: Path) -> None:
    """Two runs with one seed differ in seconds only; another seed gives another run."""
    tables = []
    for seed in (3, 3, 4):
        outcome = command(
            "train", *TINY, f"paths.data={data}", f"seed={seed}", "train.augment.crop=0.1"
        )
        table = pd.read_csv(outcome.folder / "metrics.csv").drop(columns="seconds")
        tables.append(table)
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    assert not tables[0].equals(tables[2])


def test_test_scores_a_run_on_other_data_and_shapes(
    command: Command, data: Path, run: Path
) -> None:
    """Several tests at once, on the data of the run; the same test gives the figure of train."""
    tests = ("test=afew_4w5s,basic_7w1s,compound_5w1s", *SMALL_TEST)
    outcome = command("test", f"run={run}", *tests)
    assert outcome.code == 0, outcome.err
    folder = outcome.folder
    results = pd.read_csv(folder / "results.csv")
    assert results["protocol"].tolist() == ["afew_4w2s", "basic_7w2s", "compound_5w2s"]
    assert set(results["role"]) == {"test"}
    before = pd.read_csv(run / "results.csv").set_index("role").loc["test"]
    assert results.loc[0, "accuracy"] == before["accuracy"]
    assert results.loc[0, "loss"] == before["loss"]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["run"] == str(run.resolve())
    assert summary["checkpoint"] == "best"
    elsewhere = command("test", f"run={run}", "test=afew_4w5s", "paths.data=/nowhere")
    assert elsewhere.code == 2
    assert "/nowhere" in elsewhere.err


def test_early_stopping(command: Command, data: Path) -> None:
    """With a learning rate that changes nothing, patience ends the run and says so."""
    outcome = command(
        "train",
        *TINY,
        f"paths.data={data}",
        "train.epochs=40",
        "train.patience=2",
        "train.lr=1e-30",
    )
    assert "stopped: no better validation for 2 epochs" in outcome.out
    metrics = pd.read_csv(outcome.folder / "metrics.csv")
    results = pd.read_csv(outcome.folder / "results.csv").set_index("role")
    assert len(metrics) == results.loc["validation", "epoch"] + 2 < 40
    assert results.loc["train", "epoch"] == len(metrics)


def test_float64_and_image_disjoint_run_too(command: Command, data: Path) -> None:
    """precision=float64 and episodes.disjoint=image reach the weights and the tables."""
    outcome = command(
        "train",
        *TINY,
        f"paths.data={data}",
        "precision=float64",
        "episodes.disjoint=image",
        "dataset=afew",
        "eval=afew_4w5s",
    )
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv")
    assert results["disjoint"].tolist() == ["image", "image"]
    weights = checkpoints.load_checkpoint(outcome.folder / "last.pt").encoder
    assert str(weights["convolutions.0.weight"].dtype) == "torch.float64"


WRONG = [
    (("train.n_wya=3",), "n_wya"),
    (("+typo=1",), "typo"),
    (("train.n_way=abc",), "n_way"),
    (("experiment=null", "train.n_way=99"), "n_way=99"),
    (("train.epochs=-1",), "train.epochs=-1 is too small"),
    (("backbone=resnet18", "backbone.weights=gone.pth", "backbone.accept_size=true"), "gone.pth"),
    (("eval.k_shot=30",), "30 support + 1 query"),
    (("dataset=csv",), "dataset.file="),
    (("dataset=csv", "dataset.file=gone.csv"), "gone.csv"),
    (("dataset=folder", "dataset.root=gone"), "gone"),
    (("dataset.split=val",), "split 'val'"),
    (("device=cuda",), "cuda"),
    (("paths.outputs=taken",), "taken"),  # by a file
]


@pytest.mark.parametrize(("arguments", "culprit"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_mistakes_are_one_line_and_leave_nothing(
    command: Command, data: Path, arguments: tuple[str, ...], culprit: str, tmp_path: Path
) -> None:
    """Exit code 2, one line that names the culprit, and no folder of a run that never was."""
    if arguments == ("device=cuda",):
        import torch

        if torch.cuda.is_available():
            arguments, culprit = ("device=tpu",), "tpu"
    (tmp_path / "taken").touch()
    outcome = command("train", *TINY, f"paths.data={data}", *arguments)
    assert_one_line(outcome, culprit)
    assert not (tmp_path / "outputs").exists()


def test_test_names_what_is_wrong_with_a_run(command: Command, run: Path, tmp_path: Path) -> None:
    """No folder, no run, no test, a damaged checkpoint, a foreign configuration."""
    assert_one_line(command("test", "test=afew_4w5s"), "run")
    assert_one_line(command("test", f"run={run}"), "test=")
    assert_one_line(command("test", "run=gone", "test=afew_4w5s"), "gone")
    copy = tmp_path / "copy of run"
    shutil.copytree(run, copy)
    (copy / "best.pt").write_bytes(b"PK")
    assert_one_line(command("test", f"run={copy}", "test=afew_4w5s"), "best.pt")
    (copy / "config.yaml").write_text("!!python/object/apply:os.system ['touch mark']")
    assert_one_line(command("test", f"run={copy}", "test=afew_4w5s"), "config.yaml")
    assert not (tmp_path / "mark").exists()
