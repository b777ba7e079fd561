"""The people that scripts/measure_neutral.py draws, and which of their pictures are kept."""

from pathlib import Path

import measure_neutral
import pytest

from fewshot_fer.data.labels import BASIC


@pytest.mark.slow
def test_people_and_their_neutral_pictures(tmp_path: Path) -> None:
    """Each has a picture of every expression, and as many neutral ones as are kept."""
    drawn = measure_neutral.draw_people(tmp_path, 2)
    assert drawn["group"].nunique() == 2
    for kept in measure_neutral.KEPT:
        counts = measure_neutral.keep_neutral(drawn, kept).groupby(["group", "label"]).size()
        for name in BASIC:
            assert set(counts.xs(name, level="label")) == {kept if name == "neutral" else 1}
