"""Faces of few pixels are prepared, and marked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command
from PIL import Image


@pytest.mark.slow
def test_small_faces_are_marked(command: Command, demo: Path, tmp_path: Path) -> None:
    """A photograph with few pixels between the eyes is prepared, and the manifest says so."""
    face = Image.open(sorted(demo.glob("AFEW/Val_AFEW/Happy/*/*.jpg"))[0]).convert("RGB")
    (tmp_path / "photos").mkdir()
    for name, side in (("large", 150), ("small", 27)):
        wall = np.full((200, 260, 3), (120, 130, 140), dtype=np.uint8)
        wall[25 : 25 + side, 40 : 40 + side] = np.asarray(face.resize((side, side)))
        Image.fromarray(wall).save(tmp_path / f"photos/{name}.png")
    outcome = command("prepare", "images=photos", "out=faces")
    rows = pd.read_csv(tmp_path / "faces/manifest.csv", keep_default_na=False)
    assert rows["status"].tolist() == ["ok", "ok"]
    assert [reason.startswith("small: ") for reason in rows["reason"]] == [False, True]
    assert "pictures with small faces (eyes under 12 pixels apart): 1" in outcome.out
