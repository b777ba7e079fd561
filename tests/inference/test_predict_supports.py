"""`predict` with a support of other classes: enrolled, stored, too small, of other weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import FIXED, TINY, Command, assert_one_line, train_in
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


@pytest.fixture(scope="module")
def run_with_others(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run on basic expressions, validated on compound ones, which training does not know."""
    words = (*TINY, "eval=compound_4w5s", "eval.k_shot=2", "eval.n_query=3", f"paths.data={data}")
    return train_in(tmp_path_factory.mktemp("with_others"), cache, *words)


def test_reject_is_measured_on_faces_that_training_did_not_know(
    command: Command, run_with_others: Path, data: Path
) -> None:
    """With the run's own support: 95 % of validation's faces lie at the distance or farther, as
    numpy finds it; a face is none of these exactly from there on."""
    images = data / "RAF-DB/compound/Image/aligned"
    words = (f"run={run_with_others}", f"images={images}", "align=false", "reject=0.05")
    outcome = command("predict", *words)
    table = table_of(outcome)
    reject = json.loads((outcome.folder / "predictions.json").read_text())["reject"]
    run = load_run(run_with_others)
    support, labels = run.support.embeddings.numpy(), run.support.labels.numpy()
    prototypes = np.stack([support[labels == number].mean(axis=0) for number in range(7)])
    faces = np.concatenate([faces.numpy() for faces in run.calibration.unknown_faces.values()])
    assert len(faces) == 77
    nearest = np.linalg.norm(faces[:, None] - prototypes, axis=2).min(axis=1)
    assert reject["distance"] == pytest.approx(np.sort(nearest)[2], rel=1e-4)  # 3 of 78 are as near
    of_validation = {"on": "validation", "classes": 11, "pictures": 77}
    assert of_validation.items() <= reject["measured"][1].items()
    assert reject["measured"][1]["accepted"] == pytest.approx(3 / 77)
    none = table["label"] == "none of these"
    sure = (table["distance"] - reject["distance"]).abs() > 1e-4
    assert (none == (table["distance"] > reject["distance"]))[sure].all()
    assert 0.85 < none.mean() <= 1
    assert "77 pictures of 11 classes" in outcome.out


def test_reject_turns_unknown_patterns_away(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """A stricter rate leaves fewer known; 1 takes nearly all; probabilities stay."""
    support = draw_classes(
        tmp_path / "support", {"known": 2, "other": 9, "third": 14, "calm": 20}, 5
    )
    images = draw_classes(tmp_path / "images", {"known": 2, "noise": 40}, 12, seed=6)
    labels = {}
    for rate in ("null", "1", "0.5", "0.1"):
        words = (f"run={fixed_run}", f"images={images}", "align=false", f"reject={rate}")
        outcome = command("predict", *words, f"support={support}")
        table = table_of(outcome)
        assert (table["status"] == "ok").all()
        assert table["probability"].min() > 0
        labels[rate] = int((table["label"] == "none of these").sum())
        content = json.loads((outcome.folder / "predictions.json").read_text())
        assert (content["reject"] is None) == (rate == "null")
    assert labels["null"] == 0
    assert labels["1"] <= labels["0.5"] <= labels["0.1"]
    assert labels["0.1"] > 0
    assert labels["1"] < 24


def test_a_rate_that_cannot_be_measured_is_refused(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """The run's own support or a copy, without other faces; too few pictures; too few classes."""
    images = draw_classes(tmp_path / "images", {"x": 1}, 2)
    words = (f"run={fixed_run}", f"images={images}", "align=false")
    own = tmp_path / "own.pt"
    assert command("predict", f"run={fixed_run}", f"enrol={own}").code == 0
    for support in ("null", own):
        refused = command("predict", *words, f"support={support}", "reject=0.05")
        assert_one_line(refused, "stores no faces of expressions")
    few = draw_classes(tmp_path / "few", {"x": 1, "y": 6, "z": 9, "calm": 14}, 2)
    assert_one_line(command("predict", *words, f"support={few}", "reject=0.05"), "reject=0.146")
    outcome = command("predict", *words, f"support={few}", "reject=0.146")
    assert table_of(outcome)["status"].eq("ok").all()
    pair = draw_classes(tmp_path / "pair", {"x": 1, "y": 6}, 5)
    refused = command("predict", *words, f"support={pair}", "reject=0.5")
    assert_one_line(refused, "the support has 2")


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


def test_one_picture_a_class_will_do(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """One shot works, with a warning for each class."""
    images = draw_classes(tmp_path / "images", {"x": 1}, 2)
    shots = draw_classes(tmp_path / "shots", {"x": 1, "y": 6}, 1)
    outcome = command(
        "predict", f"run={fixed_run}", f"images={images}", f"support={shots}", "align=false"
    )
    assert len(table_of(outcome)) == 2
    assert outcome.err.count("one picture only") == 1
    assert "x, y" in outcome.err


def test_pictures_of_the_support_are_told(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """A picture that is in the support has the best distance there is: by its name or by a copy."""
    support = draw_classes(tmp_path / "support", {"new": 9, "other": 14}, 2)
    words = (f"run={fixed_run}", f"support={support}", "align=false")
    others = draw_classes(tmp_path / "images", {"new": 9}, 3, seed=6)
    assert "in the support" not in command("predict", *words, f"images={others}").err
    shutil.copy(next((support / "other").iterdir()), others / "copy.jpg")
    assert (
        "1 of 4 pictures are in the support" in command("predict", *words, f"images={others}").err
    )
    assert "4 of 4 pictures are in the" in command("predict", *words, f"images={support}").err
