"""The script that compares compositions: its arithmetic, on classes made of known parts."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import face_table
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.config.model_schema import MethodConfig
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.data.labels import BASIC, COMPOUND, COMPOUND_PARTS
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.sampler import draw_episodes
from fewshot_fer.evaluation.training_statistics import TrainingStatistics
from fewshot_fer.models.methods.pair_map import fit_pair_map

FILE = Path(__file__).resolve().parents[2] / "scripts/compositions.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("compositions")


@pytest.fixture(scope="module")
def by_shots(script: ModuleType) -> ModuleType:
    return loaded("composition_shots")


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILE.with_stem(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def side_and_pictures() -> tuple[TrainingStatistics, Tensor, pd.DataFrame]:
    """Basic classes in random directions, and pictures of compound ones between their parts."""
    random = torch.Generator().manual_seed(0)
    prototypes = F.normalize(torch.randn(len(BASIC), 48, generator=random), dim=1)
    kinds = dict.fromkeys(("none", "l2", "cl2n"), prototypes)
    spreads = dict.fromkeys(kinds, 0.5)
    side = TrainingStatistics(BASIC, torch.zeros(48), kinds, spreads)
    table = face_table(dict.fromkeys(COMPOUND[:5], 12))
    names = table["label"].unique()
    centres = [prototypes[[BASIC.index(p) for p in COMPOUND_PARTS[c]]].mean(0) for c in names]
    around = torch.stack(centres).repeat_interleave(12, dim=0)
    return side, around + 0.2 * torch.randn(60, 48, generator=random), table


def test_composed_ways_gain_where_parts_are_known(script: ModuleType) -> None:
    """Each way is scored on the same episodes; without a support only those with priors are."""
    side, embedded, table = side_and_pictures()
    trained = TrainVerb(method=MethodConfig("protonet"))
    made = script.ways(side, trained, {"spread": torch.ones(len(BASIC))})
    rows = []
    for shot in (0, 1):
        shape = Shape(4, shot, 2)
        episodes = draw_episodes(build_pool(table, shape), 200, seed=0)
        found = dict(script._scored(made, embedded, np.arange(60), episodes))
        assert ("plain" in found) == (shot == 1)
        assert ("weight 8" in found) == (shot == 1)
        rows += script._rows(f"compound_4w{shot}s", found)
        np.testing.assert_array_equal(found[script.ALONE], found["parts by spread"])
    scored = pd.DataFrame(rows).set_index(["protocol", "way"])
    composed = scored.loc[("compound_4w1s", script.ALONE)]
    assert "composition learnt" not in made
    learnt = fit_pair_map(*torch.randn(3, 9, 48, generator=torch.Generator().manual_seed(0)))
    side = replace(side, pair_maps=dict.fromkeys(side.prototypes, learnt))
    assert "composition learnt" in script.ways(side, trained, {})
    assert composed["gain"] > composed["gain_half"] > 0
    text = script.markdown(scored.reset_index())
    assert text.splitlines()[0] == "| way | compound_4w0s | compound_4w1s |"
    assert (
        f"| weight 8 |  | {100 * scored.loc[('compound_4w1s', 'weight 8'), 'accuracy']:.1f} ("
        in text
    )


def test_parts_by_their_shares_by_hand(script: ModuleType) -> None:
    prototypes = torch.eye(3)
    names = ("happiness", "surprise", "fear")
    shares = torch.tensor([3.0, 1.0, 5.0])
    made = script.WeighedParts(names, prototypes, 0.5, None, {}, shares=shares)
    found, known = made.of(["happily surprised", "fear"])
    assert known.all()
    assert torch.allclose(found, torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]))


def test_paired_differences_by_hand(script: ModuleType) -> None:
    """What both find hard does not widen the interval."""
    reference = np.array([0.0, 0.5, 1.0, 0.25])
    assert script.paired(reference + 0.1, reference) == pytest.approx((0.1, 0.0))
    mean, half = script.paired(np.array([1.0, 0.0]), np.array([0.0, 0.0]))
    assert (mean, half) == pytest.approx((0.5, 1.959964 * 0.5**0.5 / 2**0.5))


def test_a_run_must_be_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compositions.py", "run=/nowhere"])
    assert script.main() == 2
    assert "is not the folder of a trained run" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["compositions.py", "rnu=/nowhere"])
    with pytest.raises(SystemExit):
        script.main()


def test_the_picture_of_shots(by_shots: ModuleType, script: ModuleType, tmp_path: Path) -> None:
    """A row for each curve and number of shots, none without pictures for those that need some;
    gains are paired with plain prototypes and with no shot."""
    side, embedded, table = side_and_pictures()
    base = script.priors(side, "cl2n", MethodConfig("composed"))
    episodes = draw_episodes(build_pool(table, Shape(4, 5, 3)), 100, seed=0)
    drawn = (embedded, np.arange(60), episodes)
    scored = by_shots.scored(drawn, by_shots.methods(base), [0, 1, 5])
    by_place = scored.set_index(["method", "shots"])
    assert len(scored) == 4 * 2 + 2
    one, alone = by_place.loc[("composed", 1)], by_place.loc[("composed", 0)]
    assert one["over_no_shot"] == pytest.approx(one["accuracy"] - alone["accuracy"])
    assert one["over_plain"] > one["over_plain_half"] > 0
    misnamed = by_shots.wrong(base, episodes.class_names)
    assert misnamed.parts_of(episodes.class_names[0]) == base.parts_of(episodes.class_names[1])
    by_shots.draw(scored, tmp_path / "shots.png")
    assert (tmp_path / "shots.png").stat().st_size > 1_000
    assert by_shots.markdown(scored).splitlines()[0].startswith("| shots | plain | composed |")
