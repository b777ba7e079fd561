"""`predict` on crops: the labels are those of the evaluation, and mistakes are one line."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import FIXED, Command, assert_one_line, draw_pattern, train_in
from PIL import Image
from typed_predict import draw_classes, table_of

from fewshot_fer.runs.checkpoint import load_checkpoint, save_checkpoint
from fewshot_fer.runs.load import load_run

Runs = Callable[[str], Path]
METHODS = {
    "protonet": (),
    "cosine": ("method=cosine", "method.normalise=cl2n"),
    "classifier": ("method=classifier", "train=supervised", "train.epochs=2"),
}


@pytest.fixture(scope="module")
def runs(
    fixed_run: Path, data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Runs:
    """A tiny run of each of METHODS, each trained when it is first needed."""
    made = {"protonet": fixed_run}

    def run_of(method: str) -> Path:
        if method not in made:
            folder = tmp_path_factory.mktemp(method)
            made[method] = train_in(folder, cache, *FIXED, f"paths.data={data}", *METHODS[method])
        return made[method]

    return run_of


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_those_of_the_evaluation(command: Command, runs: Runs, method: str) -> None:
    """The validation images get the labels and, before the temperature, the probabilities of the
    evaluation; an image alone gets those that it has among the others."""
    run = runs(method)
    evaluated = pd.read_csv(run / "predictions.csv")
    evaluated = evaluated[evaluated["method"] == evaluated["method"].iloc[0]]
    words = ",".join(evaluated["path"])
    outcome = command("predict", f"run={run}", f"images={words}", "align=false")
    together = table_of(outcome)
    content = (outcome.folder / "predictions.json").read_text()
    assert together["file"].tolist() == evaluated["path"].tolist()
    assert together["label"].tolist() == evaluated["predicted"].tolist()
    assert together["status"].unique().tolist() == ["ok"]
    shares = together.filter(like="p_").to_numpy()
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert together["probability"].to_numpy() == pytest.approx(shares.max(axis=1))
    temperature = json.loads(content)["temperature"]
    before = evaluated[[name[2:] for name in together.filter(like="p_")]].to_numpy()
    logits = np.log(before.clip(1e-300) / before.max(axis=1, keepdims=True))
    cooled = np.exp(logits / temperature)
    assert shares == pytest.approx(cooled / cooled.sum(axis=1, keepdims=True), abs=1e-3)
    path, label, p = together.loc[len(together) // 2, ["file", "label", "probability"]]
    alone = table_of(command("predict", f"run={run}", f"images={path}", "align=false"))
    assert alone["label"].tolist() == [label]
    assert alone["probability"][0] == pytest.approx(p, abs=1e-5)


def test_a_head_leaves_other_classes_to_prototypes(
    command: Command, runs: Runs, tmp_path: Path
) -> None:
    """With another support than the run's own the nearest prototype decides, not the head."""
    run = runs("classifier")
    assert load_run(run).calibration.head_temperature is not None
    support = draw_classes(tmp_path / "mine", {"one": 1, "two": 6}, 3)
    other = command("predict", f"run={run}", f"images={support}", "align=false", "support=mine")
    assert set(table_of(other)["label"]) <= {"one", "two"}
    content = json.loads((other.folder / "predictions.json").read_text())
    assert (content["answered_by"], content["calibrated"]) == ("prototypes", True)


def test_json_holds_what_the_table_does(command: Command, fixed_run: Path, data: Path) -> None:
    """Same rows, nothing but JSON on stdout with json=true, nearest support images named."""
    folder = data / "RAF-DB/compound/Image/aligned"
    outcome = command(
        "predict",
        f"run={fixed_run}",
        f"images={folder}/*1?_aligned.jpg",
        "align=false",
        "json=true",
        "explain=3",
    )
    table = table_of(outcome)
    content = json.loads(outcome.out)
    assert [row["file"] for row in content["predictions"]] == table["file"].tolist()
    assert content["clips"] == []
    first = content["predictions"][0]
    assert first["box"] is None
    assert list(first["probabilities"]) == content["class_names"]
    assert max(first["probabilities"].values()) == first["probability"]
    distances = [near["distance"] for near in first["nearest"]]
    assert len(distances) == 3
    assert distances == sorted(distances)
    assert {near["label"] for near in first["nearest"]} <= set(content["class_names"])


def test_bad_files_have_a_status(
    command: Command, fixed_run: Path, data: Path, tmp_path: Path
) -> None:
    """Text named .jpg, an empty file, half a picture: unreadable, and the others are classified."""
    good = next((data / "RAF-DB/basic/Image/aligned").iterdir())
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "1 text.jpg").write_text("no picture")
    (mixed / "2 empty.jpg").write_bytes(b"")
    (mixed / "3 half.jpg").write_bytes(good.read_bytes()[:400])
    (mixed / "4 good.jpg").write_bytes(good.read_bytes())
    (mixed / "notes.txt").write_text("not read")
    Image.new("1", (12000, 12000)).save(mixed / "5 bomb.png")
    outcome = command("predict", f"run={fixed_run}", f"images={mixed}", "align=false", "draw=true")
    table = table_of(outcome)
    assert table["status"].tolist() == [*["unreadable"] * 3, "ok", "unreadable"]
    assert table["reason"].str.contains("too large").tolist() == [*[False] * 4, True]
    assert (table["label"] == "").tolist() == [True, True, True, False, True]
    assert [path.name for path in (outcome.folder / "drawn").iterdir()] == ["4 good.jpg"]
    assert "1 answered" in outcome.out
    assert "4 unreadable" in outcome.out


def test_pictures_are_written(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """One drawing a picture, also for two of one name; pages of ten faces with their neighbours."""
    images = draw_classes(tmp_path / "images", {"a": 1, "b": 2}, 6)
    outcome = command("predict", f"run={fixed_run}", f"images={images}", "align=false", "draw=true",
                      "explain=true")  # fmt: skip
    table_of(outcome)
    assert len(list((outcome.folder / "drawn").iterdir())) == 12
    pages = sorted(path.name for path in outcome.folder.glob("explained_*"))
    assert pages == ["explained_0001.jpg", "explained_0002.jpg"]
    with (
        Image.open(outcome.folder / pages[0]) as first,
        Image.open(outcome.folder / pages[1]) as second,
    ):
        assert first.width == second.width
        assert first.height > second.height
    assert not [path for path in outcome.folder.rglob("*") if ".part" in path.name]


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ((), "nothing to answer"),
        (("images=missing.jpg",), "missing.jpg"),
        (("images=*.gif",), "no file has a name like that"),
        (("images=empty",), "no pictures"),
        (("images=a.jpg,",), "no name"),
        (("images=a.jpg", "run=elsewhere"), "elsewhere"),
        (("images=a.jpg", "reject=1.5"), "reject=1.5"),
        (("images=a.jpg", "explain=99"), "explain=99"),
        (("images=a.jpg", "fps=0"), "fps=0"),
        (("images=a.jpg", "checkpoint=worst"), "checkpoint=worst"),
        (("images=a.jpg", "+suport=x"), "did you mean support?"),
        (("images=a.jpg", "support=nowhere"), "support=nowhere"),
        (("images=a.jpg", "support=a.jpg"), "a.jpg"),
        (("images=a.jpg", "support=empty"), "expected <class>/ folders"),
        (("images=a.jpg", "support=one"), "has one class only, happy"),
        (("images=a.jpg", "support=hollow"), "hollow/sad"),
        (("images=a.jpg", "support=twice"), "Happy and happy"),
        (("images=a.jpg", "support=damaged"), "damaged/sad/2.jpg"),
        (("images=a.jpg", "enrol=empty"), "enrol=empty is a folder"),
    ],
)
def test_mistakes_are_one_line(
    command: Command, fixed_run: Path, tmp_path: Path, words: tuple[str, ...], culprit: str
) -> None:
    """Whatever is wrong with files, folders or keys: one line that names it, code 2, no folder."""
    (tmp_path / "empty").mkdir()
    draw_classes(tmp_path, {"one/happy": 1}, 2)
    draw_classes(tmp_path, {"hollow/happy": 1, "damaged/happy": 1, "damaged/sad": 2}, 2)
    draw_classes(tmp_path, {"twice/happy": 1, "twice/Happy": 2}, 2)
    (tmp_path / "hollow/sad").mkdir()
    (tmp_path / "damaged/sad/2.jpg").write_text("no picture")
    draw_pattern(tmp_path / "a.jpg", 1, np.random.default_rng(0))
    before = set((tmp_path / "outputs").rglob("*"))
    assert_one_line(command("predict", f"run={fixed_run}", "align=false", *words), culprit)
    assert set((tmp_path / "outputs").rglob("*")) == before


def test_a_run_that_forgot_its_training_images(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """It predicts as before, and says in a line why classes= takes more."""
    shutil.copytree(fixed_run, tmp_path / "old")
    for name in ("best.pt", "last.pt"):
        known = load_checkpoint(fixed_run / name)
        save_checkpoint(tmp_path / "old" / name, replace(known, training_side=None))
    draw_pattern(tmp_path / "a.jpg", 1, np.random.default_rng(0))
    words = ("run=old", "images=a.jpg", "align=false")
    assert len(table_of(command("predict", *words))) == 1
    refused = command("predict", *words, "classes=happiness,sadness")
    assert_one_line(refused, "says nothing of its training images")
