"""The script that measures `reject=`: its table, on classes of a known distribution."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typed_predict import make_run

from fewshot_fer.evaluation.support import SupportSet

FILE = Path(__file__).resolve().parents[2] / "scripts/measure_rejection.py"


def test_unknown_faces_are_accepted_at_the_rate_that_was_set() -> None:
    """By the mean over all shapes; 4-way 5-shot episodes accept more, one shot cannot be had."""
    spec = importlib.util.spec_from_file_location("measure_rejection", FILE)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["measure_rejection"] = script
    spec.loader.exec_module(script)
    torch.manual_seed(1)

    def drawn(*names: str) -> dict[str, torch.Tensor]:
        return {name: torch.randn(60, 20) + 0.6 * torch.randn(20) for name in names}

    basic = drawn("a", "b", "c")
    own = SupportSet(
        *(("a", "b", "c"), torch.cat([faces[:30] for faces in basic.values()])),
        *(torch.arange(3).repeat_interleave(30), tuple(map(str, range(90))), "weights"),
    )
    run = replace(make_run(2.5), support=own)
    compound = drawn(*"mnopqrstuvw")
    data = script.Data(run, compound, basic, 0.05, 10, np.random.default_rng(0))
    table = pd.DataFrame(script.measure(data)).set_index("support")
    shown = script.markdown(table.reset_index())
    assert len(shown.splitlines()) == 2 + 1 + 4 * 5
    assert (table["refused"] == 1).sum() == shown.count("refused") == 5
    assert table["false_accept"].mean() == pytest.approx(0.05, abs=0.02)
    assert table.loc["11-way 50-shot", "episodes"] > 0.1
    assert (table["false_reject"] - table["stated_reject"]).dropna().abs().mean() < 0.05
