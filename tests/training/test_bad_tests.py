"""skip_bad_tests: a test that cannot be run is listed with the reason, and costs no other."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY, Command, assert_one_line, touch

from fewshot_fer.runs.bad_tests import can_mend_tests, read_bad_tests

LINE = ("train", *TINY, "train.epochs=1", "test=afew_7w1s,basic_7w1s,compound_5w1s")
LINE += ("test.episodes=5", "test.compound_5w1s.k_shot=900")


@pytest.fixture
def place(data: Path, tmp_path: Path) -> Path:
    """Data of which a frame of AFEW's validation split is damaged."""
    root = tmp_path / "data"
    shutil.copytree(data, root)
    touch(frame := root / "AFEW/Val_AFEW/Happy/001003000/001.jpg")
    frame.write_bytes(b"no picture")
    return root


def test_the_others_are_run(command: Command, place: Path) -> None:
    """Too few images are seen before training, a damaged one when it is decoded."""
    outcome = command(*LINE, f"paths.data={place}", "skip_bad_tests=true")
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv")
    assert results.loc[results["role"] == "test", "protocol"].tolist() == ["basic_7w1s"]
    bad = read_bad_tests(outcome.folder)
    assert list(bad) == ["compound_5w1s", "afew_7w1s"]
    assert "too small for 900 support" in bad["compound_5w1s"]
    assert "001003000/001.jpg" in bad["afew_7w1s"]
    assert all(f"test={name} is left out" in outcome.err for name in bad)
    assert not can_mend_tests(outcome.folder)
    shutil.copy(
        place / "AFEW/Val_AFEW/Happy/001003000/002.jpg",
        place / "AFEW/Val_AFEW/Happy/001003000/001.jpg",
    )
    assert can_mend_tests(outcome.folder)


def test_without_it_one_line_ends_the_run(command: Command, place: Path) -> None:
    outcome = command(*LINE, f"paths.data={place}")
    assert_one_line(outcome, "compound")
    assert outcome.made is None
