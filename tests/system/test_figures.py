"""Pictures: what is drawn once is what matplotlib draws in two passes, with every label on it."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
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


LINEAR_B, CYPRO_MINOAN = "\U00010000", "\U00012f90"
DRAWING = """
import sys
from fewshot_fer.system.figures import font_for, new_figure, save_figure
for letter, name in zip(sys.argv[1:], ("there.png", "gone.png", "gone.png")):
    figure = new_figure(2, 2, dpi=50)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, letter, fontsize=60, ha="center", va="center")
    save_figure(figure, name)
    font_for(letter, 12).getmask(letter)
"""


def install_font(folder: Path) -> None:
    """Write a font in which one letter is a black square, where Linux looks for a user's own."""
    pens = [TTGlyphPen(None), TTGlyphPen(None)]
    for pen in pens:
        pen.moveTo((0, 0))
        for corner in ((0, 700), (700, 700), (700, 0)):
            pen.lineTo(corner)
        pen.closePath()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({ord(LINEAR_B): "square"})
    font.setupGlyf({".notdef": pens[0].glyph(), "square": pens[1].glyph()})
    font.setupHorizontalMetrics({".notdef": (700, 0), "square": (700, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    font.setupPost()
    (folder / "fonts").mkdir()
    font.save(folder / "fonts/squares.ttf")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems look for fonts elsewhere")
def test_letters_of_an_installed_font(tmp_path: Path) -> None:
    """A font that matplotlib's own list does not have yet is found by its letters: no box, which
    would be an outline. Letters of no font give one line on the screen, and no other."""
    install_font(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", DRAWING, LINEAR_B, CYPRO_MINOAN, CYPRO_MINOAN],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "no installed font has Cypro-minoan letters" in lines[0]
    dark = np.asarray(Image.open(tmp_path / "there.png").convert("L")) < 100
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert len(rows) > 15
    assert dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.9
