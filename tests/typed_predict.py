"""What tests of `predict` read and write, and a run that is made without training."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from conftest import Outcome, draw_pattern
from torch import nn

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.calibration import Calibration
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES, Method
from fewshot_fer.runs.load import LoadedRun


def table_of(outcome: Outcome) -> pd.DataFrame:
    assert outcome.code == 0, outcome.err
    return pd.read_csv(outcome.folder / "predictions.csv", keep_default_na=False)


def draw_classes(root: Path, numbers: dict[str, int], count: int, seed: int = 5) -> Path:
    """Write folders of stripes, class name -> number of the pattern."""
    random = np.random.default_rng(seed)
    for name, number in numbers.items():
        for picture in range(count):
            draw_pattern(root / name / f"{picture}.jpg", number, random)
    return root


def make_run(
    temperature: float,
    head: nn.Module | None = None,
    method: Method = PROTOTYPES,
    head_temperature: float | None = 4.0,
) -> LoadedRun:
    """Return a run that embeds 4x4 crops linearly, with three classes of 1, 2 and 3 pictures."""
    torch.manual_seed(3)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    names, labels = ("a", "b", "c"), torch.tensor([0, 1, 1, 2, 2, 2])
    paths = tuple(f"{number}.jpg" for number in range(6))
    support = SupportSet(names, torch.randn(6, 5), labels, paths, "weights")
    embedder = Embedder(encoder, head=head, head_names=names if head else ())
    calibration = Calibration(temperature, head_temperature)
    priors = Priors(names, torch.zeros(3, 5), spread=1.0, weight=None, parts={})
    return LoadedRun(
        *(Path("run"), TrainVerb(), embedder, 4, names, support),
        *(calibration, "weights", method, priors),
    )
