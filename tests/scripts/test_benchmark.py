"""The benchmark runs from its command line to its files; how fast anything is, is not tested."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/benchmark.py"
SECTIONS = {"training", "evaluation", "limit", "scaling"}
SECTIONS |= {"memory", "packing", "equality", "report", "sweep", "prepare"}
SECTIONS |= {"neighbours", "first_minute", "stream", "ranks", "encoders"}
SECTIONS |= {"methods"}
MARKS = "<!-- benchmark: {} -->\nold\n<!-- end -->\n"


def type_benchmark(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would."""
    environment = {**os.environ, "FEWSHOT_FER_CACHE": str(cache)}
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def finished(
    demo: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One run of everything at tiny size: the folder that it wrote, and what it said."""
    folder = tmp_path_factory.mktemp("benchmark")
    out, page = folder / "deep/er", folder / "page.md"
    page.write_text(MARKS.format("methods") + MARKS.format("training cuda"))
    # One thread: neighbours on a busy machine make two wait for each other at every operation.
    words = ("--tiny", "--threads", "1", "--devices", "cpu", "--docs", str(page))
    done = type_benchmark(cache, *words, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out, done


def test_figures(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Every section leaves figures in the CSV, ordered and positive, against every peer."""
    table = pd.read_csv(finished[0] / "benchmark.csv")
    assert set(table["section"]) == SECTIONS
    assert (table["min"] <= table["median"]).all()
    assert (table["median"] <= table["max"]).all()
    assert (table["min"] > 0).all()
    for section in ("training", "evaluation"):
        against = table.loc[table["section"] == section, "against"]
        assert set(against) == {"easyfsl", "plain loop"}


def test_logits_equal_easyfsl(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """From picture files to logits, both fast ways agree with another library."""
    table = pd.read_csv(finished[0] / "benchmark.csv")
    equality = table[table["section"] == "equality"]
    assert len(equality) == 2
    assert (equality["max"] < 1e-4).all()


def test_two_ranks_send_what_they_must_and_no_more(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """Each step the gradients once, and of each batch norm 2 C + 1 numbers and 2 C: 4 of 8 maps."""
    table = pd.read_csv(finished[0] / "benchmark.csv")
    ranks = table[table["section"] == "ranks"]
    sent = ranks[ranks["what"].str.contains("episodes: sent")].iloc[0]
    conv4 = 3 * 8 * 9 + 3 * 8 * 8 * 9 + 4 * 3 * 8  # weights, of filters and of batch norms
    assert round(sent["ours"] * 1e6) == 4 * (conv4 + 4 * (4 * 8 + 1))
    assert (ranks.loc[ranks["unit"] == "x", "median"] == 1).all()


def test_page_and_picture(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """The page can stand in the manual: date, machine, command, shim, table; so can the picture"""
    out, done = finished
    page = (out / "benchmark.md").read_text()
    for word in ("Measured on 20", "--tiny", "cores", "torch 2", "shim", "| plain loop |"):
        assert word in page
    assert "easyfsl" in done.stdout
    assert "median" in done.stdout
    for name in ("benchmark.png", "growth.png"):
        with Image.open(out / name) as picture:
            picture.load()
            assert min(picture.size) > 500
    assert {path.name for path in out.iterdir()} == {
        *(f"benchmark.{ending}" for ending in ("csv", "md", "png")),
        "growth.png",
    }


def test_manual_and_seconds(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """What was measured is in the page of --docs, and how long each section took on the screen."""
    out, done = finished
    page = (out.parents[1] / "page.md").read_text()
    assert page.count("old") == 1
    assert "| ridge: " in page
    lines = done.stdout.partition("seconds of each section:\n")[2].splitlines()
    assert {line.split()[0] for line in lines} == SECTIONS


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--only", "speed"), "--only speed"),
        (("--threads", "0"), "--threads 0"),
        (("--devices", "tpu"), "--devices tpu"),
    ],
)
def test_refuses(cache: Path, words: tuple[str, ...], named: str) -> None:
    """A word that means nothing is named in one line."""
    done = type_benchmark(cache, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert done.stderr.count("\n") == 1
