"""A method and an encoder of a user's own module, from training to prediction."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY, Command

from fewshot_fer.models.methods.registry import method_names

MODULE = """
import torch
from torch import nn

from fewshot_fer.models.backbones.registry import register_backbone
from fewshot_fer.models.methods.registry import register_method


@register_method("nearest", of_means=True, learns=True, normalise="l2")
def nearest_logits(support, query):
    return -torch.cdist(query, support.mean(dim=2))


@register_backbone("thumbnail")
def build_thumbnail(settings, options):
    return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, settings.filters))
"""


def test_own_models_from_training_to_prediction(
    data: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the two decorators: one file is all that a method or an encoder takes."""
    (tmp_path / "my_models.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    plugins = f"plugins={tmp_path / 'my_models.py'}"
    own = (plugins, "method.name=nearest", "method.normalise=l2", "backbone.name=thumbnail")
    outcome = command("train", *TINY, *own, f"paths.data={data}", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    results = pd.read_csv("run/results.csv").set_index("role")
    assert results.loc["validation", "method"] == "nearest"
    shape = ("test=compound_4w5s", "test.k_shot=1", "test.episodes=10")
    tested = command("test", plugins, "run=run", *shape, "methods=all")
    assert tested.code == 0, tested.err
    left_out = [line for line in tested.err.splitlines() if "leaves out" in line]
    assert len(left_out) == 2
    assert "leaves out deepbdc, dn4, frn: needs an encoder with feature maps" in left_out[0]
    assert "leaves out tip_adapter: needs a classifier" in left_out[1]
    picture = next((data / "RAF-DB/basic/Image/aligned").glob("*.jpg"))
    words = (f"images={picture}", "align=false", "hydra.run.dir=predicted")
    predicted = command("predict", plugins, "run=run", *words)
    assert predicted.code == 0, predicted.err
    assert len(pd.read_csv("predicted/predictions.csv")) == 1
    other = command("train", *TINY, "train.epochs=0", f"paths.data={data}", "hydra.run.dir=other")
    assert other.code == 0, other.err
    assert command("test", "run=other", *shape, "methods=all", "hydra.run.dir=all").code == 0
    table = pd.read_csv("all/methods.csv").set_index("method")
    compared = set(method_names(needs_no_training=True, in_all=True)) - {"tip_adapter"}
    assert set(table.index) == {"nearest", "composed", "composed+bdcspn"} | compared
    assert table.loc["class_frequency", "accuracy"] == pytest.approx(1 / 4)  # chance, to the digit
