"""Protocols of papers: pinned values, and whole runs on the embedded layouts at tiny size."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Command
from fabricated import fabricate_run, settings_of

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.reports.html.report import runs_report

TINY = (
    *(
        "device=cpu",
        "paths=demo",
        "demo.scale=0.02",
        "train.epochs=1",
        "train.episodes_per_epoch=2",
    ),
    *("backbone=conv4", "backbone.filters=4", "backbone.image_size=32", "eval.episodes=4"),
    *("train.k_shot=1", "train.n_query=1", "eval.k_shot=1", "eval.n_query=1"),
)


def shapes(settings: TrainVerb) -> dict[str, tuple[int, ...]]:
    return {
        name: (test.n_way, test.k_shot, test.n_query, test.repeats, test.episodes)
        for name, test in settings.test.items()
    }


def test_cdnet_is_what_its_code_has() -> None:
    """5-way, 1 and 5 shot, 16 queries, 5 x 1,000 episodes; no preset may drift from its paper."""
    settings = settings_of("experiment=cdnet")
    train = settings.train
    assert settings.dataset.sets == ["rafdb_basic", "ckplus", "csv", "oulu_casia", "sfew"]
    assert settings.episodes.within == "set"
    assert (settings.backbone.name, settings.backbone.image_size) == ("resnet18", 224)
    assert (train.n_way, train.n_query, train.epochs, train.lr) == (5, 16, 200, 1e-4)
    assert (train.optimiser, train.drop_lr_every, train.augment.colour) == ("adam", 0, 0.4)
    assert settings.eval.episodes == 400
    assert shapes(settings) == {
        "cdnet_compound_5w1s": (5, 1, 16, 5, 1000),
        "cdnet_compound_5w5s": (5, 5, 16, 5, 1000),
    }


def test_csrn_tests_on_classes_that_it_never_learns() -> None:
    """4-way 4-shot, then 3-way 3-shot 1-query, 64 pixels, on four data sets."""
    settings = settings_of("experiment=csrn")
    assert (settings.train.n_way, settings.train.k_shot) == (4, 4)
    assert settings.backbone.image_size == 64
    assert {shape[:3] for shape in shapes(settings).values()} == {(3, 3, 1)}
    adapters = [test.dataset.adapter for test in settings.test.values()]
    assert adapters == ["rafdb_basic", "fer2013", "sfew", "afew"]
    learnt = set(settings.dataset.classes)
    assert settings.eval.dataset.classes == settings.dataset.classes
    for test in settings.test.values():
        assert len({*test.dataset.classes, *learnt}) == 7


def test_what_differs_from_a_paper_stands_with_its_run(tmp_path: Path) -> None:
    """Also where a file that somebody sent has another thing there than sentences."""
    for name, differs in {"run": ["Validated elsewhere.", "No <b>."], "odd": 5}.items():
        settings = settings_of("eval=basic_fixed5", "paths.data=/data")
        settings.paper.title, settings.paper.differs = f"Somebody ({name})", differs  # type: ignore[assignment]
        fabricate_run(tmp_path / name, settings)
    text = runs_report([tmp_path], embeddings=False, pictures=False)[0]["report.html"]
    assert "Somebody (run)" in text
    assert "Somebody (odd)" in text
    assert "Validated elsewhere. No &lt;b&gt;." in text
    assert ">paper.differs<" not in text  # among the settings it would be a column of sentences


@pytest.mark.slow
def test_cdnet_runs_on_the_embedded_layouts(command: Command) -> None:
    """With what is missing, and what differs, on screen; the tables hold all five runs."""
    outcome = command(
        "train", "experiment=cdnet", *TINY, "test.n_query=1", "test.k_shot=1", "test.episodes=20"
    )
    assert outcome.code == 0, outcome.err
    assert "left out: csv (give dataset.file=" in outcome.err
    assert "encoder began with pretrained=faces, this one with none" in outcome.err
    config = yaml.safe_load((outcome.folder / "config.yaml").read_text())
    assert config["dataset"]["sets"] == ["rafdb_basic", "ckplus", "oulu_casia", "sfew"]
    assert all(line in outcome.out for line in config["paper"]["differs"])
    results = pd.read_csv(outcome.folder / "results.csv")
    tests = results[results["role"] == "test"]
    assert (tests["repeats"] == 5).all()
    assert (tests["episodes"] == 100).all()
    assert (tests["repeats_ci95"] > 0).all()
    assert results["repeats"].isna().sum() == 2  # training and validation


@pytest.mark.slow
def test_csrn_runs_on_the_embedded_layouts(command: Command) -> None:
    """All four data sets, three unseen classes each."""
    outcome = command("train", "experiment=csrn", *TINY, "test.k_shot=1", "test.episodes=20")
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv")
    tests = results[results["role"] == "test"]
    assert tests["dataset"].tolist() == ["rafdb_basic", "fer2013", "sfew", "afew"]
    assert np.allclose(tests["chance"], 1 / 3)
