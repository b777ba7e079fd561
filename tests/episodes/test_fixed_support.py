"""A fixed support against every image, frame by frame and clip by clip."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, face_table, train_in
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

from fewshot_fer.episodes.fixed_support import draw_fixed_support
from fewshot_fer.system.errors import EpisodeError

FIXED = ("dataset.split=all", "test=afew_fixed5", "test.k_shot=1")


@pytest.fixture(scope="module")
def trained(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was tested with a fixed support from its own training set."""
    return train_in(tmp_path_factory.mktemp("fixed"), cache, *TINY, f"paths.data={data}", *FIXED)


def test_draws_are_exact_seeded_and_different() -> None:
    """k images of each class, none twice in a draw; the same seed the same, draws not all alike."""
    table = face_table({"a": 9, "b": 30, "c": 5})
    support = draw_fixed_support(table, 5, 4, seed=1, what="test")
    assert support.rows.shape == (4, 3, 5)
    labels = table["label"].to_numpy()
    assert (labels[support.rows] == np.array(["a", "b", "c"])[None, :, None]).all()
    assert all(len(set(draw.ravel())) == 15 for draw in support.rows)
    again = draw_fixed_support(table, 5, 4, seed=1, what="test")
    assert np.array_equal(support.rows, again.rows)
    assert len({tuple(np.sort(draw[1])) for draw in support.rows}) == 4
    assert not np.array_equal(support.rows, draw_fixed_support(table, 5, 4, 2, "test").rows)
    with pytest.raises(EpisodeError, match=r"test: .*6 images a class.*'c' has 5"):
        draw_fixed_support(table, 6, 1, seed=1, what="test")


def test_figures_equal_those_of_the_predictions(trained: Path) -> None:
    """results.csv says what scikit-learn makes of predictions.csv, at every level."""
    results = pd.read_csv(trained / "results.csv")
    fixed = results[results["protocol"] == "afew_fixed1"].set_index("level")
    assert fixed.index.tolist() == ["frame", "clip", "clip_complete"]
    predictions = pd.read_csv(trained / "predictions.csv")
    names = sorted(predictions["true"].unique())
    assert len(predictions) == 5 * 63
    draws = [draw for _, draw in predictions.groupby("draw")]
    accuracies = [accuracy_score(draw["true"], draw["predicted"]) for draw in draws]
    assert fixed.loc["frame", "accuracy"] == pytest.approx(np.mean(accuracies), abs=1e-5)
    assert fixed.loc["frame", "deviation"] == pytest.approx(np.std(accuracies, ddof=1), abs=1e-5)
    true, given = predictions["true"], predictions["predicted"]
    uar = recall_score(true, given, average="macro")
    assert fixed.loc["frame", "uar"] == pytest.approx(uar, abs=1e-5)
    f1 = f1_score(true, given, average="macro")
    assert fixed.loc["frame", "macro_f1"] == pytest.approx(f1, abs=1e-5)
    shares = predictions[names].to_numpy()  # six digits: they sum to one but for rounding
    loss = log_loss(true, shares / shares.sum(axis=1, keepdims=True), labels=names)
    assert fixed.loc["frame", "loss"] == pytest.approx(loss, rel=1e-3)
    clips = predictions.groupby(["draw", "clip", "true"])[names].mean().reset_index()
    voted = (clips[names].idxmax(axis=1) == clips["true"]).mean()
    assert fixed.loc["clip", "accuracy"] == pytest.approx(voted, abs=1e-5)
    assert fixed.loc["clip", "n_query"] == 21
    assert fixed["chance"].tolist() == pytest.approx([1 / 7] * 3, abs=1e-5)


def test_support_is_taken_out_of_training(command: Command, trained: Path) -> None:
    """What is support of any draw is not trained on, and the run says how many images are left."""
    results = pd.read_csv(trained / "results.csv").set_index("role")
    left = int(results.loc["train", "n_images"])
    assert 63 - 5 * 7 <= left <= 63 - 7
    elsewhere = command("test", f"run={trained}", "test=afew_fixed5", "test.k_shot=2")
    assert "the support was trained on" in elsewhere.err
    same = command("test", f"run={trained}", "test=afew_fixed5", "test.k_shot=1")
    assert "trained on" not in same.err
    again = pd.read_csv(same.folder / "results.csv")["accuracy"].tolist()
    assert again == results.loc["test", "accuracy"].tolist()


def test_lost_clips_count_as_errors(command: Command, data: Path, tmp_path: Path) -> None:
    """A clip that lost every face is missing from `clip` and wrong in `clip_complete`."""
    copy = tmp_path / "copy/AFEW"
    shutil.copytree(data / "AFEW", copy)
    clip = next((copy / "Val_AFEW/Happy").iterdir())
    for frame in clip.iterdir():
        frame.rename(frame.with_name(f"{frame.stem}_noface.jpg"))
    root = f"test.dataset.root={copy}"
    outcome = command("train", *TINY, f"paths.data={data}", *FIXED, root)
    results = pd.read_csv(outcome.folder / "results.csv").set_index("level")
    assert results.loc["clip", "n_query"] == 20
    assert results.loc["clip_complete", "n_query"] == 21
    ratio = results.loc["clip_complete", "accuracy"] / results.loc["clip", "accuracy"]
    assert ratio == pytest.approx(20 / 21, abs=1e-4)


def test_votes_can_be_chosen_and_validation_can_be_fixed(command: Command, data: Path) -> None:
    """eval=..._fixed5 validates on every image; every vote runs."""
    for vote in ("embedding", "majority"):
        outcome = command(
            "train", *TINY, f"paths.data={data}", "eval=afew_fixed5", "eval.k_shot=1",
            "eval.support_draws=2", f"eval.vote={vote}",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        results = pd.read_csv(outcome.folder / "results.csv")
        assert results["level"].tolist() == ["image", "frame", "clip", "clip_complete"]
        metrics = pd.read_csv(outcome.folder / "metrics.csv")
        assert metrics["val_accuracy"].max() == results["accuracy"][1]


def test_compound_support_comes_from_its_own_training_split(command: Command, data: Path) -> None:
    """New classes have no support in the training set; without support_split that is an error."""
    arguments = (*TINY, f"paths.data={data}", "test=compound_fixed5")
    outcome = command("train", *arguments)
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv")
    assert results["n_way"].tolist()[-1] == 11
    wrong = command("train", *arguments, "test.support_split=null", "test.k_shot=1")
    assert wrong.code == 2
    assert "no support for angrily disgusted" in wrong.err


def test_small_classes_are_named_or_skipped(command: Command, data: Path, tmp_path: Path) -> None:
    """A class of two images: an error that says how to go on; skipped, six classes are asked."""
    root = tmp_path / "copy/RAF-DB/basic"
    shutil.copytree(data / "RAF-DB/basic", root)
    labels = root / "EmoLabel/list_patition_label.txt"
    lines = labels.read_text().splitlines()
    fears = [line for line in lines if line.endswith(" 2")]
    labels.write_text("\n".join(line for line in lines if line not in fears[2:]))
    arguments = (*TINY, f"paths.data={data}", f"dataset.root={root}", "dataset.split=all")
    arguments += ("test=afew_fixed5", "test.k_shot=3", "test.support_draws=1")
    wrong = command("train", *arguments)
    assert wrong.code == 2
    assert "'fear' has 2" in wrong.err
    outcome = command("train", *arguments, "episodes.skip_small_classes=true")
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv").set_index("level")
    assert results.loc["frame", ["n_way", "n_query"]].tolist() == [6, 54]
    assert "fear" not in set(pd.read_csv(outcome.folder / "predictions.csv")["true"])


def test_training_on_test_images_is_stamped(command: Command, data: Path) -> None:
    """dataset.split=all, the study's way: said on screen and on every row."""
    arguments = (*TINY, f"paths.data={data}", "test=basic_7w1s", "test.episodes=5")
    honest = command("train", *arguments)
    stamped = command("train", *arguments, "dataset.split=all")
    for outcome, stamp in ((honest, False), (stamped, True)):
        results = pd.read_csv(outcome.folder / "results.csv")
        assert results["trained_on_test"].tolist() == [stamp] * 3
        assert ("21 of its 21 images were trained on" in outcome.err) == stamp
