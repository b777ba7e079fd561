"""`predict` with a support of other classes: enrolled, stored, too small, of other weights."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import FIXED, Command, assert_one_line, train_in
from typed_predict import draw_classes, table_of

from fewshot_fer.runs.load import load_run


def test_two_classes_that_training_never_saw(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """Five pictures each of two new patterns tell thirty others apart, and can be stored."""
    numbers = {"기쁨": 9, "calm": 14}
    support = draw_classes(tmp_path / "my faces", numbers, 5)
    images = draw_classes(tmp_path / "images", numbers, 15, seed=6)
    stored = tmp_path / "stored/new faces.pt"
    words = (f"run={fixed_run}", f"images={images}", "align=false")
    first = command("predict", *words, f"support={support}", f"enrol={stored}")
    table = table_of(first)
    truth = [Path(file).parent.name for file in table["file"]]
    assert len(table) == 30
    assert (table["label"] == truth).mean() > 0.8
    again = table_of(command("predict", *words, f"support={stored}"))
    pd.testing.assert_frame_equal(again, table)
    only = command(
        "predict", f"run={fixed_run}", f"support={support}", "align=false", f"enrol={stored}"
    )
    assert only.code == 0, only.err
    assert "calm 5" in only.err
    assert only.made is None


def test_reject_turns_unknown_patterns_away(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """A stricter rate leaves fewer known; 1 takes nearly all; probabilities stay."""
    images = draw_classes(tmp_path / "images", {"known": 2, "noise": 40}, 12)
    labels = {}
    for rate in ("null", "1", "0.5", "0"):
        words = (f"run={fixed_run}", f"images={images}", "align=false", f"reject={rate}")
        outcome = command("predict", *words)
        table = table_of(outcome)
        assert (table["status"] == "ok").all()
        assert table["probability"].min() > 0
        labels[rate] = int((table["label"] == "none of these").sum())
        content = json.loads((outcome.folder / "predictions.json").read_text())
        assert (content["reject"] is None) == (rate == "null")
    assert labels["null"] == 0
    assert labels["1"] <= labels["0.5"] <= labels["0"]
    assert labels["0"] > 0
    assert labels["1"] < 24


def test_a_support_of_other_weights_is_refused(
    command: Command, fixed_run: Path, data: Path, cache: Path, tmp_path: Path
) -> None:
    """Embeddings of two encoders cannot be compared: stored with one, used with another."""
    stored = tmp_path / "own.pt"
    assert command("predict", f"run={fixed_run}", f"enrol={stored}").code == 0
    other = train_in(tmp_path, cache, *FIXED, f"paths.data={data}", "seed=1")
    images = data / "RAF-DB/basic/Image/aligned"
    words = (f"images={images}", "align=false", f"support={stored}")
    assert_one_line(command("predict", f"run={other}", *words), "the weights of another run")
    assert table_of(command("predict", f"run={fixed_run}", *words))["status"].eq("ok").all()


@pytest.mark.filterwarnings("ignore:for .* no-op")
def test_weights_may_lie_on_another_device(fixed_run: Path) -> None:
    """The support and what is known of classes stay where they are compared: on the CPU."""
    trained = load_run(fixed_run, device="meta")  # as cuda would be, without one
    assert trained.embedder.device.type == "meta"
    assert torch.isfinite(trained.support.prototypes()).all()
    assert torch.isfinite(trained.priors.of(["happiness"])[0]).all()
    assert trained.calibration.threshold(0.05) < 0


def test_one_picture_a_class_will_do(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """One shot works, with a warning for each class; one class alone needs reject=."""
    images = draw_classes(tmp_path / "images", {"x": 1}, 2)
    shots = draw_classes(tmp_path / "shots", {"x": 1, "y": 6}, 1)
    outcome = command(
        "predict", f"run={fixed_run}", f"images={images}", f"support={shots}", "align=false"
    )
    assert len(table_of(outcome)) == 2
    assert outcome.err.count("one picture only") == 1
    assert "x, y" in outcome.err
    single = draw_classes(tmp_path / "single", {"x": 1}, 3)
    words = (f"run={fixed_run}", f"images={images}", f"support={single}", "align=false")
    assert set(table_of(command("predict", *words, "reject=0.05"))["label"]) <= {
        "x",
        "none of these",
    }
