"""The head, the action units and the rasteriser behind the drawn faces."""

import subprocess
import sys

import numpy as np
import pytest

from fewshot_fer.data.demo import action_units
from fewshot_fer.data.demo.action_units import TABLE, UNITS
from fewshot_fer.data.demo.identity import draw_identity
from fewshot_fer.data.demo.mesh import ASSET, Head, load_head, rasterise, vertex_normals
from fewshot_fer.data.demo.plan import draw_moments
from fewshot_fer.data.labels import BASIC, COMPOUND


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def test_asset_loads_without_pickle() -> None:
    """Protects users from code in a data file, and the wheel from growing."""
    with np.load(ASSET, allow_pickle=False) as asset:
        shapes = {name: asset[name].shape for name in asset.files}
    assert shapes["unit_offsets"] == (52, *shapes["vertices"])
    assert ASSET.stat().st_size < 3_000_000
    assert "CC0" in (ASSET.parent / "LICENSE.md").read_text(encoding="utf-8")


def test_import_is_cheap() -> None:
    """Protects --help: importing the package loads neither numpy nor torch."""
    code = "import sys, fewshot_fer.data.demo; print({'numpy', 'torch', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_table_covers_every_class_and_unit() -> None:
    """Protects the table: all classes of RAF-DB, and every unit that it names has a move."""
    assert set(TABLE) == {*BASIC, *COMPOUND}
    for expression in TABLE.values():
        assert {*expression.prototypical, *expression.fractions} <= set(UNITS)
        assert not set(expression.prototypical) & set(expression.fractions)


@pytest.mark.parametrize("label", sorted(TABLE))
def test_unit_frequencies_match_the_table(label: str) -> None:
    """Protects the difficulty of the problem: units appear as often as they were seen in people."""
    generator = np.random.default_rng(0)
    drawn = [action_units.draw_units(label, generator) for _ in range(2000)]
    for unit, chance in action_units.chances(label).items():
        listed = TABLE[label]
        expected = listed.fractions.get(unit, 0.85 if unit in listed.prototypical else 0.02)
        assert chance == expected
        # Four standard errors of a share of 2,000.
        error = 4 * (expected * (1 - expected) / 2000) ** 0.5
        assert abs(np.mean([unit in units for units in drawn]) - expected) < error


def test_strengths_follow_apex_and_lean() -> None:
    """Protects variety: strengths differ between units and sides, and stay near the apex."""
    generator = np.random.default_rng(0)
    strengths = [
        action_units.draw_strengths("happiness", (12, 25), 0.8, generator) for _ in range(300)
    ]
    left, right = np.array([[s[12][0], s[12][1]] for s in strengths]).T
    assert np.mean(left) == pytest.approx(0.8, abs=0.05)
    assert 0.02 < np.std(left - right) < 0.25


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_moves_the_face_on_its_side(head: Head, unit: int) -> None:
    """Protects the mapping to the head: no misspelt or missing move, left is the face's left."""
    weights = action_units.unit_weights(head, {unit: (1.0, 0.0)})
    moved = np.linalg.norm(head.express(head.vertices, weights) - head.vertices, axis=1)
    assert moved.max() > 0.02
    x = head.vertices[:, 0]
    assert moved[x > 0.1].sum() >= 0.98 * moved[x < -0.1].sum()


def test_people_differ_and_repeat(head: Head) -> None:
    """Protects identity: a number is always the same person, another number another one."""
    one, again, other = (draw_identity(head, 0, number) for number in (1, 1, 2))
    assert np.array_equal(one.local, again.local)
    assert one.hair.color.tolist() == again.hair.color.tolist()
    assert not np.array_equal(one.local, other.local)


def test_clips_rise_and_fall() -> None:
    """Protects the AFEW look-alike: onset, one apex, offset."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        strengths = [moment.strength for moment in draw_moments(9, generator)]
        peak = int(np.argmax(strengths))
        assert 0 < peak < 8
        assert max(strengths) > 0.85
        assert np.all(np.diff(strengths[: peak + 1]) >= 0)
        assert np.all(np.diff(strengths[peak:]) <= 0)


def test_rasteriser_covers_each_pixel_once_and_keeps_the_nearest() -> None:
    """Protects the picture from pinholes and from far triangles shining through."""
    far = np.array([(0, 0, 0), (8, 0, 0), (8, 8, 0), (0, 8, 0)], np.float32)
    near = np.array([(2, 2, 1), (5, 2, 1), (5, 5, 1), (2, 5, 1)], np.float32)
    points = np.concatenate([near, far])
    triangles = np.array([(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)])
    fragments = rasterise(points, triangles, 8)
    assert fragments.pixel.tolist() == list(range(64))
    row, column = np.divmod(fragments.pixel[fragments.triangle < 2], 8)
    assert sorted(zip(row, column, strict=True)) == [(r, c) for r in (2, 3, 4) for c in (2, 3, 4)]
    places = fragments.interpolate(triangles, points)
    assert np.allclose(places[:, 0], fragments.pixel % 8 + 0.5, atol=1e-5)


def test_rasteriser_drops_back_faces_and_what_lies_outside() -> None:
    """Protects speed and the face: the far side of the head must not show."""
    points = np.array([(0, 0, 0), (8, 0, 0), (8, 8, 0), (-9, -9, 0), (-3, -9, 0)], np.float32)
    assert len(rasterise(points, np.array([(0, 2, 1)]), 8).pixel) == 0
    assert len(rasterise(points, np.array([(3, 4, 0)]), 8).pixel) == 0


def test_normals_of_the_head_point_outwards(head: Head) -> None:
    """Protects the light: a normal that points inwards turns the face black."""
    normals = vertex_normals(head.vertices, head.triangles)
    nose = int(np.argmax(head.vertices[:, 2]))
    assert normals[nose, 2] > 0.5
    assert np.allclose(np.linalg.norm(normals[nose]), 1, atol=1e-5)
