"""Measure what it gives to know neutral pictures of each subject, on drawn people.

    python scripts/measure_neutral.py                           the starter's features
    python scripts/measure_neutral.py --run outputs/train/...   a trained run

Draws a picture a person of each basic expression and more neutral ones, and compares the same 5-way
episodes with and without `neutral=subject`, by how many neutral pictures of each are kept. Support
and query are different people. Intervals are over episodes. Takes three minutes on two cores.
"""

import argparse
import os
import tempfile
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fewshot_fer.data.demo.plan import Shot
from fewshot_fer.data.demo.writer import Drawn, draw_shot
from fewshot_fer.data.labels import BASIC
from fewshot_fer.data.table import make_table
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.metrics import NORMAL_95
from fewshot_fer.evaluation.tasks import load_tasks
from fewshot_fer.runs.load import LoadedRun, load_run
from fewshot_fer.runs.starter import support_starter
from fewshot_fer.system.cores import core_count

KEPT = (1, 2, 4)  # neutral pictures of each person
FIRST_PERSON = 7_000_000  # none of the embedded set's
EPISODES = 600


def main() -> None:
    """Print a line for each number of neutral pictures and shots."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="a finished run; else the starter")
    parser.add_argument("--people", type=int, default=150)
    options = parser.parse_args()
    run = support_starter() if options.run is None else load_run(options.run)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEWSHOT_FER_CACHE"] = f"{folder}/cache"  # of pictures that are gone afterwards
        drawn = draw_people(Path(folder), options.people)
        for kept in KEPT:
            table = keep_neutral(drawn, kept)
            for k_shot in (1, 5):
                print(f"{kept} neutral, {k_shot}-shot: {gain(run, table, k_shot)}", flush=True)


def draw_people(folder: Path, people: int) -> pd.DataFrame:
    """Draw everybody into a folder; return the FaceTable, whose groups are people."""
    labels = [*BASIC, *["neutral"] * (max(KEPT) - 1)]
    shots = [
        Shot((f"{person}_{n}.jpg",), "rafdb_basic", "all", label, person, "", 100 * person + n)
        for person in range(FIRST_PERSON, FIRST_PERSON + people)
        for n, label in enumerate(labels)
    ]
    with get_context("spawn").Pool(core_count()) as pool:
        pictures = [each[0] for each in pool.imap(partial(draw_shot, seed=7), shots, chunksize=10)]
    return make_table([_row(folder, each) for each in pictures])


def _row(folder: Path, drawn: Drawn) -> dict[str, object]:
    file = folder / drawn.facts.path
    file.write_bytes(drawn.jpeg)
    known: dict[str, object] = {"path": str(file), "split": "all", "dataset": "drawn"}
    return known | {"label": drawn.facts.label, "group": str(drawn.facts.identity)}


def keep_neutral(table: pd.DataFrame, kept: int) -> pd.DataFrame:
    """Return the table with so many neutral pictures of each person."""
    place = table.groupby(["group", "label"]).cumcount()
    return table[(table["label"] != "neutral") | (place < kept)].reset_index(drop=True)


def gain(run: LoadedRun, table: pd.DataFrame, k_shot: int) -> str:
    """Return both accuracies and the gain with its 95 % interval, episode by episode, in points."""
    model, pool = FewShotModel(run.embedder, run.method, 0), build_pool(table, Shape(5, k_shot, 1))
    protocol = EpisodicProtocol("test", "drawn", "drawn", table, EPISODES, pool)
    accuracies = []
    for relative in (False, True):
        (task,) = load_tasks([protocol], run.image_size, torch.device("cpu"), relative)
        result = task.evaluate(model, seed=0)
        assert result.each is not None
        accuracies.append(100 * result.each)
    plain, moved = accuracies
    each = moved - plain
    half = NORMAL_95 * each.std(ddof=1) / np.sqrt(len(each))
    return f"{plain.mean():.1f} % -> {moved.mean():.1f} %, {each.mean():+.1f} ± {half:.1f}"


if __name__ == "__main__":
    main()
