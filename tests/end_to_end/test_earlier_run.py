"""A run that an earlier version finished is still tested, used, reported, exported and resumed."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Command

from fewshot_fer.data.labels import BASIC

EARLIER = Path(__file__).parent / "run_of_0.1"
NOW = Path(__file__).parent / "run_of_0.1_now"  # how far parts are trusted is found otherwise since
ONE_QUERY = 1 / 80  # of 20 episodes with four queries each
KEYS = ["role", "protocol", "method", "level", "episodes_id", "image"]


@pytest.fixture
def run(tmp_path: Path, demo: Path) -> Path:
    """A copy of the run, where the embedded data that it was trained on is at hand."""
    return shutil.copytree(EARLIER, tmp_path / "earlier")


def answers_of(folder: Path, role: str) -> pd.DataFrame:
    """Return how often each image was a query and was classified rightly, by its relative path."""
    table = pd.read_csv(folder / "answers.csv", keep_default_na=False)
    table["image"] = ["/".join(Path(path).parts[-4:]) for path in table["path"]]
    return table[table["role"] == role].set_index(KEYS)[["asked", "correct"]].sort_index()


def assert_same_answers(folder: Path, role: str) -> None:
    """The same queries; last digits of embeddings differ between processors: one may turn."""
    found, known = answers_of(folder, role), answers_of(NOW, role)
    assert found.index.equals(known.index)
    assert found["asked"].equals(known["asked"])
    assert (found["correct"] - known["correct"]).abs().sum() <= 1


def assert_same_results(folder: Path, *roles: str) -> None:
    """Every column that the earlier version wrote, but for one query that may turn."""
    found, known = (
        pd.read_csv(run / "results.csv").set_index("role").loc[list(roles)] for run in (folder, NOW)
    )
    found = found[known.columns]
    numbers = found.select_dtypes("number").columns.drop("loss")
    later = ["images_id"]
    words = found.columns.difference([*numbers, "loss", *later])
    pd.testing.assert_frame_equal(found[words], known[words])
    np.testing.assert_allclose(found["loss"], known["loss"], rtol=1e-4)
    np.testing.assert_allclose(found[numbers], known[numbers], rtol=0, atol=3 * ONE_QUERY)
    np.testing.assert_allclose(found["accuracy"], known["accuracy"], rtol=0, atol=1.01 * ONE_QUERY)


def test_it_is_tested_as_it_was(command: Command, run: Path) -> None:
    """The stored weights give the same classes for the same episodes."""
    outcome = command("test", f"run={run}", "test=afew_4w5s", "test.episodes=20")
    assert outcome.code == 0, outcome.err
    assert_same_answers(outcome.folder, "test")
    assert_same_results(outcome.folder, "test")


def test_it_names_expressions(command: Command, run: Path, demo: Path) -> None:
    """By the support and the calibration that its checkpoint stores."""
    picture = next(demo.glob("RAF-DB/basic/Image/aligned/train_*"))
    outcome = command("predict", f"run={run}", f"images={picture}", "align=false")
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(outcome.folder / "predictions.csv")
    assert len(table) == 1
    assert set(table["label"]) <= set(BASIC)
    assert table["probability"].between(0, 1).all()


def test_it_is_reported(command: Command, run: Path) -> None:
    """Its figures stand in the report's table."""
    outcome = command("report", f"runs={run}")
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(outcome.folder / "report.csv")
    assert {"afew_4w5s", "compound_4w1s"} <= set(table["protocol"])


def test_it_is_exported(command: Command, run: Path) -> None:
    """As one file for ONNX, which the command itself holds against the run."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    outcome = command("export", f"run={run}", "out=earlier.onnx")
    assert outcome.code == 0, outcome.err
    assert Path("earlier.onnx").stat().st_size > 0


def test_it_ends_again_as_it_did(command: Command, run: Path) -> None:
    """Resumed after its last epoch, it scores its best weights once more."""
    (run / "summary.json").unlink()
    outcome = command("train", f"resume={run}")
    assert outcome.code == 0, outcome.err
    assert (run / "summary.json").is_file()
    for role in ("validation", "test"):
        assert_same_answers(run, role)
    assert_same_results(run, "train", "validation", "test")


def test_it_goes_on_for_an_epoch(command: Command, run: Path) -> None:
    """With its optimiser and all that it had come to."""
    (run / "summary.json").unlink()
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["train"]["epochs"] = 3
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    outcome = command("train", f"resume={run}")
    assert outcome.code == 0, outcome.err
    metrics, earlier = (pd.read_csv(folder / "metrics.csv") for folder in (run, EARLIER))
    pd.testing.assert_frame_equal(metrics.iloc[:2], earlier)
    assert metrics["epoch"].tolist() == [1, 2, 3]
    assert np.isfinite(metrics).all(axis=None)
