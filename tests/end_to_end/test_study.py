"""The study's seven experiments run on the embedded data, and what makes them what they are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command, face_table

from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.packed_images import load_images
from fewshot_fer.data.splits import balanced_rows, select_split
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import evaluate
from fewshot_fer.models.backbones.from_scratch import Conv4
from fewshot_fer.models.methods.method import PROTOTYPES

STUDY = sorted(path.stem for path in (conf_dir() / "experiment").glob("study_*.yaml"))
PRESETS = [n if n[6] in "17" else pytest.param(n, marks=pytest.mark.slow) for n in STUDY]
SMALL = {
    "study_5": ("backbone=resnet18", "backbone.image_size=32", "eval.k_shot=2", "test.k_shot=2"),
    "study_6": ("test.k_shot=2",),
    "study_7": ("test.k_shot=2", "mix.per_class=30"),
}


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("name", PRESETS)
def test_preset_runs(command: Command, name: str) -> None:
    """Each preset from its name to its results, on the embedded data at tiny size."""
    small = [word for word in TINY if not word.startswith(("eval.episodes", "train=fast"))]
    arguments = (f"experiment={name}", "paths=demo", "demo.scale=0.02", *small, "train.epochs=1")
    outcome = command("train", *arguments, *SMALL.get("_".join(name.split("_")[:2]), ()))
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv")
    trains_on_test = name[6] in "124567"
    assert results["trained_on_test"].tolist() == [trains_on_test] * len(results)
    if name[6] in "4567":
        assert "no AFEW training clip matches fear/01306270" in outcome.err
        assert outcome.err.count("matches") == 1
    if name[6] in "567":
        assert set(results["level"]) >= {"frame", "clip", "clip_complete"}


def test_balanced_classes_repeat_and_leave_out() -> None:
    """Exactly per_class of each; a small class repeats evenly, a large one repeats nothing."""
    table = face_table({"big": 100, "small": 7})
    rows = balanced_rows(table, np.arange(3, 107), 30, seed=0)
    labels = table["label"].to_numpy()[rows]
    assert (labels == "big").sum() == (labels == "small").sum() == 30
    counts = np.bincount(rows, minlength=107)
    assert counts[:3].sum() == 0
    assert counts[table["label"] == "big"].max() == 1
    assert set(counts[table["label"] == "small"]) == {4, 5}
    assert np.array_equal(rows, balanced_rows(table, np.arange(3, 107), 30, seed=0))


def test_repeats_never_stand_on_both_sides() -> None:
    """An image that balancing repeats may come twice in the support, never in the query as well."""
    table = face_table({"big": 40, "small": 8})
    shape = Shape(2, 3, 3)
    for disjoint in ("group", "image"):
        rows = balanced_rows(table, np.arange(48), 40, seed=0)
        pool = build_pool(table, shape, EpisodesConfig(disjoint), rows)
        episodes = draw_episodes(pool, 300, seed=0)
        for support, query in zip(episodes.support, episodes.query, strict=True):
            assert not set(support.ravel()) & set(query.ravel())


def test_clip_leakage_shows(demo: Path, cache: Path) -> None:
    """Frames of the query's own clip in the support raise accuracy: why clips are kept apart."""
    table = select_split(read_afew(demo), "val", cache)
    torch.manual_seed(0)
    embedder = Embedder(Conv4(filters=16))
    images = load_images(table, 48, torch.device("cpu"))
    shape, accuracy = Shape(4, 5, 1), {}
    for disjoint in ("image", "group"):
        pool = build_pool(table, shape, EpisodesConfig(disjoint))
        episodes = draw_episodes(pool, 500, seed=0)
        scores = evaluate(embedder, PROTOTYPES, images, episodes)
        accuracy[disjoint] = scores.accuracy.mean()
    assert accuracy["image"] > accuracy["group"] + 0.05
