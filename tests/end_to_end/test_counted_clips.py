"""Clips as the unit, typed: train, test, all methods, saved episodes, check, reports, mistakes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command, Outcome, assert_one_line, train_in

from fewshot_fer.runs.folder import RESULT_COLUMNS

CLIPS = ("eval=afew_clips_7w1s", "eval.episodes=8")
COUNTED = ("dataset=afew", "train.unit=clip", "train.frames=2", "train.k_shot=1", "train.n_query=1")


@pytest.fixture(scope="module")
def run(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that trains on AFEW's clips, and is validated and tested on others."""
    folder = tmp_path_factory.mktemp("clips")
    test = ("test=afew_clips_7w5s", "test.k_shot=2", "test.frames=2", "test.pooling=attention")
    return train_in(folder, cache, *TINY, *COUNTED, *CLIPS, *test, f"paths.data={data}")


def results_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "results.csv", keep_default_na=False)


def test_train_counts_clips(run: Path) -> None:
    """Rows of clips and of votes, with what pairs them; answers name clips by their keys."""
    results = results_of(run)
    assert tuple(results.columns) == RESULT_COLUMNS
    assert results["role"].tolist() == ["train", *["validation"] * 2, *["test"] * 2]
    assert results["protocol"].unique().tolist() == [
        *("train_clips_3w1s", "afew_clips_7w1s", "afew_clips_7w2s")
    ]
    assert results["level"].tolist() == ["clip", *["clip", "clip_vote"] * 2]
    assert set(results["unit"]) == {"clip"}
    assert results["pooling"].tolist() == [
        "mean",
        "mean",
        "probability",
        "attention",
        "probability",
    ]
    assert results["n_images"].tolist() == [63, 63, 63, 42, 42]  # of 21 clips of 3 frames
    answers = pd.read_csv(run / "answers.csv").set_index(["role", "level"]).loc["test"]
    own, other = answers.loc["clip"], answers.loc["clip_vote"]
    assert own["path"].str.fullmatch(r"val/[A-Z][a-z]+/\d{9}").all()
    assert own["asked"].sum() == other["asked"].sum() == 600 * 7
    gain = (other["correct"].sum() - own["correct"].sum()) / (600 * 7)
    vote = results.iloc[-1]
    assert float(vote["gain"]) == pytest.approx(gain, abs=1e-5)
    assert float(vote["gain_low"]) <= gain + 1e-5
    assert gain - 1e-5 <= float(vote["gain_high"])
    assert (results.loc[results["level"] == "clip", "gain"] == "").all()
    matrix = pd.read_csv(run / "confusion_test_afew_clips_7w2s.csv", index_col=0)
    assert np.diag(matrix).sum() / matrix.to_numpy().sum() == pytest.approx(
        float(results.iloc[-2]["accuracy"]), abs=1e-5
    )


def test_all_methods_on_the_same_clips(command: Command, run: Path) -> None:
    """Each once, on embeddings of clips; votes stand beside the run's own alone."""
    words = ("test=afew_clips_7w1s", "test.episodes=5", "methods=simpleshot,tim,matching")
    outcome = command("test", f"run={run}", *words)
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(outcome.folder / "methods.csv")
    assert table["method"].tolist() == ["protonet", "simpleshot", "tim", "matching"]
    results = results_of(outcome.folder)
    assert results["level"].tolist() == ["clip", "clip_vote", *["clip"] * 3]
    assert len(set(results["episodes_id"])) == 1
    assert "frames that vote" in outcome.out


def test_saved_clips_are_loaded_with_other_frames(command: Command, run: Path) -> None:
    """The same episodes of clips, whatever frames are taken of each; then `compare=` pairs them."""
    words = ("test=afew_clips_7w1s", "test.episodes=20")
    first = command("test", f"run={run}", *words, "episodes.save=e.npz")
    loaded = ("episodes.load=e.npz", "seed=3", "test.frames=1", "test.vote=majority")
    other = command("test", f"run={run}", *words, *loaded)
    assert other.code == 0, other.err
    ids = [results_of(outcome.folder)["episodes_id"].unique() for outcome in (first, other)]
    assert ids[0].tolist() == ids[1].tolist()
    compared = command("report", f"compare={first.folder},{other.folder}")
    assert compared.code == 0, compared.err
    table = pd.read_csv(compared.folder / "compare.csv")
    assert table["level"].tolist() == ["clip", "clip_vote"]
    assert (table["pictures"] == "same").all()
    image = command("test", f"run={run}", "test=afew_7w1s", "episodes.load=e.npz")
    assert_one_line(image, "only test/afew_clips_7w1s")


def test_check_counts_clips(command: Command, data: Path) -> None:
    """What is drawn is said in clips, and too few clips are found before anything trains."""
    fits = command("check", *TINY, *COUNTED, *CLIPS, f"paths.data={data}")
    assert "7-way 1-shot 1-query of clips" in fits.out
    assert "21 clips (anger 3, disgust 3," in fits.out
    few = command("check", *TINY, *CLIPS, "eval.k_shot=3", f"paths.data={data}")
    assert few.code == 1
    assert "3 support + 1 query clips a class: 'anger' has 3 clips" in few.out


def test_reports_show_clips(command: Command, run: Path) -> None:
    """The page has a table of clips and one of votes, and the command that repeats the run."""
    outcome = command("report", f"runs={run.parent}", "pictures=false")
    assert outcome.code == 0, outcome.err
    page = next(outcome.folder.glob("report.html")).read_text(encoding="utf-8")
    for text in ("clip by clip (attention)", "frames of each vote", "train.unit=clip"):
        assert text in page


def outcome_of(command: Command, data: Path, *words: str) -> Outcome:
    return command("train", *TINY, f"paths.data={data}", *words)


def test_mistakes_about_clips_are_one_line(command: Command, data: Path) -> None:
    """Data without clips, units and poolings that are not known, what episodes cannot do."""
    wrong = {
        ("eval.unit=clip",): "none of its 77 images is of a clip. Take eval.unit=image",
        ("train.unit=clip",): "train on rafdb_basic, 3-way 2-shot 2-query of clips: no clips",
        ("eval.unit=film",): "eval.unit=film is not known: choose one of image, clip",
        ("train.unit=film",): "train.unit=film",
        (
            *CLIPS,
            "eval.pooling=max",
        ): "eval.pooling=max is not known: choose one of mean, attention",
        (*CLIPS, "eval.frames=0"): "eval.frames=0 is too small",
        (*CLIPS, "train.frames=0"): "train.frames=0 is too small",
        (*CLIPS, "eval.vote=loudest"): "eval.vote=loudest",
        ("eval=afew_fixed5", "eval.unit=clip"): "eval.unit=clip: a fixed support has no episodes",
        ("eval=afew_fixed5", "eval.vote=none"): "eval.vote=none is not known",
        (*CLIPS, "eval.k_shot=3"): "'anger' has 3 clips",
    }
    for words, culprit in wrong.items():
        assert_one_line(outcome_of(command, data, *words), culprit)
