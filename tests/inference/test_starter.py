"""`predict` and `export` without a trained run: the network of the package answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, assert_one_line
from PIL import Image
from typed_predict import draw_classes, table_of

from fewshot_fer.data.labels import COMPOUND_PARTS
from fewshot_fer.models.backbones.face_expression import CLASSES

skimage_data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of a smiling woman, the one that comes with scikit-image."""
    file = tmp_path_factory.mktemp("photograph") / "astronaut.png"
    Image.fromarray(skimage_data.astronaut()).save(file)
    return file


def test_a_smile_is_happiness(command: Command, astronaut: Path) -> None:
    """A real photograph, upright and tilted, without training; the answer says what it rests on."""
    tilted = astronaut.with_name("tilted.png")
    Image.open(astronaut).rotate(20, resample=Image.Resampling.BICUBIC).save(tilted)
    outcome = command("predict", f"images={astronaut},{tilted}")
    table = table_of(outcome)
    assert table["label"].tolist() == ["happiness"] * 2
    assert (table["probability"] > 0.9).all()
    assert (table["distance"] == "").all()  # a head decides, and no picture is there to be near
    assert "trained on unnamed public data sets" in outcome.out
    facts = json.loads((outcome.folder / "predictions.json").read_text())
    assert (facts["run"], facts["temperature"]) == ("starter", 3.2)


def test_faces_that_are_small_or_tilted_or_at_the_border(
    command: Command, astronaut: Path, tmp_path: Path
) -> None:
    """A face of few pixels is answered and marked, with what the photograph has between its eyes;
    one at the border is padded; one that is tilted by 40 degrees is set upright."""
    whole = Image.open(astronaut)
    whole.resize((110, 110), Image.Resampling.LANCZOS).save(tmp_path / "a_small.png")
    whole.crop((185, 60, 512, 400)).save(tmp_path / "b_border.png")
    whole.rotate(40, Image.Resampling.BICUBIC, center=(224, 115)).save(tmp_path / "c_tilted.png")
    outcome = command("predict", f"images={tmp_path}/*.png")
    table = table_of(outcome)
    assert table["label"].tolist() == ["happiness"] * 3
    assert (table["probability"] > 0.8).all()
    assert table["status"].tolist() == ["ok"] * 3
    assert [reason.startswith("small: eyes ") for reason in table["reason"]] == [True, False, False]
    assert outcome.out.count("small faces (eyes under 12 pixels apart): 1") == 1


def test_compound_classes_by_their_names(command: Command, astronaut: Path) -> None:
    """Each is a mixture of its parts: minus the divergence from it, found here from the seven."""
    basic = table_of(command("predict", f"images={astronaut}")).iloc[0]
    logs = {name: np.log(basic[f"p_{name}"]) for name in CLASSES}
    named = ("happily surprised", "sadly angry", "happily disgusted", "happiness")
    parts = [COMPOUND_PARTS.get(name, (name,)) for name in named]
    divergences = [-np.log(len(each)) - np.mean([logs[part] for part in each]) for each in parts]
    expected = np.exp(-np.array(divergences))
    words = f"classes={','.join(named)}"
    found = table_of(command("predict", f"images={astronaut}", words)).iloc[0]
    shares = [found[f"p_{name}"] for name in named]
    np.testing.assert_allclose(shares, expected / expected.sum(), rtol=1e-3)
    assert_one_line(command("predict", f"images={astronaut}", "classes=bored,happiness"), "bored")


def test_a_support_of_ones_own(command: Command, tmp_path: Path) -> None:
    """Five pictures a class of anything are enough, and a stored support serves later."""
    numbers = {"stripes": 9, "rings": 14}
    support = draw_classes(tmp_path / "mine", numbers, 5)
    images = draw_classes(tmp_path / "images", numbers, 15, seed=6)
    stored = tmp_path / "mine.pt"
    words = (f"images={images}", "align=false")
    first = command("predict", *words, f"support={support}", f"enrol={stored}")
    table = table_of(first)
    truth = [Path(file).parent.name for file in table["file"]]
    assert (table["label"] == truth).mean() > 0.8
    assert "probabilities are not calibrated" in first.out
    again = table_of(command("predict", *words, f"support={stored}"))
    np.testing.assert_allclose(again["p_rings"], table["p_rings"])


@pytest.mark.slow
def test_the_starter_as_one_file(command: Command, tmp_path: Path) -> None:
    """Export compares the file with torch itself, and refuses to write one that differs."""
    outcome = command("export", f"out={tmp_path / 'starter.onnx'}")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "starter.onnx").is_file()


def test_what_a_starter_lacks_is_one_line(command: Command, astronaut: Path) -> None:
    """No share of strangers can be promised without pictures, and there is no checkpoint."""
    assert_one_line(command("predict", f"images={astronaut}", "reject=0.05"), "reject=0.05")
    assert_one_line(command("predict", f"images={astronaut}", "checkpoint=best"), "checkpoint")


def test_relative_to_a_persons_neutral_face(command: Command, astronaut: Path) -> None:
    """Whoever smiles at rest is neutral when smiling, in the same picture; what is no picture of a
    face is one line."""
    facts = command("predict", f"images={astronaut}", f"neutral={astronaut}")
    row = table_of(facts).iloc[0]
    assert row["p_neutral"] == pytest.approx(row["probability"], rel=1e-4)
    assert "relative to the neutral face of 1 picture" in facts.out
    blank = astronaut.with_name("blank.png")
    Image.new("RGB", (90, 90)).save(blank)
    assert_one_line(command("predict", f"images={astronaut}", f"neutral={blank}"), "no face found")
