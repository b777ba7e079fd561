"""Pictures: what is drawn once is what matplotlib draws in two passes, with every label on it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fewshot_fer.data import labels
from fewshot_fer.runs import plots

pytestmark = pytest.mark.drawn
WHAT = ("accuracy", "loss", "ci95")


def drawn_twice(figure: Figure, picture: Path) -> None:
    figure.savefig(picture, format="png", dpi=figure.dpi, facecolor=figure.get_facecolor())


def as_matplotlib_draws_it(
    monkeypatch: pytest.MonkeyPatch, plot: Callable[[Path], None], folder: Path
) -> np.ndarray:
    """Draw with `plot` both ways, require the same pixels with white edges, and return them."""
    plot(folder / "own.png")
    with monkeypatch.context() as patch:
        patch.setattr(plots, "save_figure", drawn_twice)
        plot(folder / "twice.png")
    own, twice = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("own", "twice"))
    assert np.array_equal(own, twice)
    assert all((edge == 255).all() for edge in (own[0], own[-1], own[:, 0], own[:, -1]))
    return own


@pytest.mark.parametrize("names", [("a", "b"), labels.BASIC, labels.COMPOUND])
def test_a_confusion_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """Two classes or eleven with long names: whole labels, and dark cells where the counts lie."""
    counts = np.eye(len(names), dtype=np.int64) * 9
    plot = partial(plots.plot_confusion, counts, names, "test, x")
    pixels = as_matplotlib_draws_it(monkeypatch, plot, tmp_path)
    blue = (pixels[..., 2].astype(int) - pixels[..., 0] > 60).mean()
    assert 0.2 / len(names) < blue < 1 / len(names)


def test_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides in their colours, with the legend below and nothing cut off."""
    values = {f"{side}_{what}": [0.3, 0.5] for side in ("train", "val") for what in WHAT}
    pd.DataFrame({"epoch": [1, 2], **values}).to_csv(tmp_path / "metrics.csv")
    plot = partial(plots.plot_curves, tmp_path / "metrics.csv", (0.2, 0.25))
    pixels = as_matplotlib_draws_it(monkeypatch, plot, tmp_path)
    assert ((pixels[..., 0] > 240) & (pixels[..., 2] < 60)).any()
    assert ((pixels[..., 0] < 60) & (pixels[..., 2] > 150)).any()
