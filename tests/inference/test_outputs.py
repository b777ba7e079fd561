"""Tables are whole or *.part, and every picture gets a drawing of its own."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from fewshot_fer.inference.crops import LONGEST, FileNames, draw_boxes
from fewshot_fer.inference.tables import Tables
from fewshot_fer.system.figures import font_for


def test_rows_are_there_after_a_crash(tmp_path: Path) -> None:
    """A run that dies leaves its rows as *.part, and nothing under the final names."""
    row = {"file": "a", "face": 0, "label": "x", "probability": 1.0, "distance": math.nan}
    row |= {"status": "ok", "reason": "", "p_x": 1.0}

    def die() -> None:
        with Tables(tmp_path, ["x"], {"run": "r"}) as tables:
            tables.add([row])
            raise KeyError

    with pytest.raises(KeyError):
        die()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["predictions.csv.part", "predictions.json.part"]
    with (tmp_path / "predictions.csv.part").open() as file:
        assert [line["label"] for line in csv.DictReader(file)] == ["x"]
    with Tables(tmp_path, ["x"], {"run": "r"}) as tables:
        tables.add([row, row])
    content = json.loads((tmp_path / "predictions.json").read_text())
    assert content["predictions"][1]["distance"] is None
    assert [path for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_tables_without_a_row(tmp_path: Path) -> None:
    """No faces at all is still a whole file."""
    with Tables(tmp_path, ["x"], {"run": "r"}):
        pass
    assert json.loads((tmp_path / "predictions.json").read_text())["predictions"] == []
    assert (tmp_path / "predictions.csv").read_text().startswith("file,frame,seconds,face,x0")


def test_names_are_never_shared() -> None:
    """Two pictures of one name, or of one in capitals, get two drawings."""
    names = FileNames()
    files = [Path("a/x.jpg"), Path("b/x.png"), Path("c/X.jpg"), Path("a/x.jpg")]
    assert [names.of(file) for file in files] == ["x", "x_2", "X_3", "x"]


def test_drawings_of_odd_shapes() -> None:
    """Boxes past the edge, names longer than the picture, letters no font has, huge pictures."""
    wide = np.zeros((40, 4 * LONGEST, 3), np.uint8)
    assert draw_boxes(wide, [], [], []).width == LONGEST
    box = (-5.0, -5.0, 90.0, 20.0)
    for caption in ("x" * 200, "기쁨 ᚠ 🙂", ""):
        drawn = draw_boxes(np.zeros((30, 20, 3), np.uint8), [box], [caption], [True])
        assert drawn.size == (20, 30)
        assert np.asarray(drawn).any()
        font_for(caption, 12).getlength(caption)
