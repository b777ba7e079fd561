"""What `check` finds in data that were spoilt on purpose, and that it leaves clean data alone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import Command, draw_pattern, saved_anew
from PIL import Image
from torchvision.models import resnet18

CLASSES = ("happy", "sad", "angry")
SMALL = ("train.n_way=3", "train.k_shot=2", "train.n_query=2", "eval.n_way=3", "eval.k_shot=2")


@dataclass(frozen=True)
class Checked:
    """Exit code, screen, and check.json, empty where none was written."""

    code: int
    out: str
    err: str
    report: dict[str, Any]

    def finding(self, title: str) -> dict[str, Any]:
        """Return the one finding whose title starts so."""
        found = [one for one in self.report["findings"] if one["title"].startswith(title)]
        assert len(found) == 1, [one["title"] for one in self.report["findings"]]
        return found[0]

    def titles(self, level: str) -> list[str]:
        return [one["title"] for one in self.report["findings"] if one["level"] == level]


Check = Callable[..., Checked]


@pytest.fixture
def typed(command: Command) -> Check:
    """Type `python -m fewshot_fer.check <arguments>` in an empty folder, within this process."""

    def run(*arguments: str) -> Checked:
        outcome = command("check", *arguments)
        written = outcome.made and outcome.made / "check.json"  # a sweep's lie deeper
        report = json.loads(written.read_text()) if written and written.exists() else {}
        return Checked(outcome.code, outcome.out, outcome.err, report)

    return run


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Two data sets, `learn` and `ask`: three classes of six pictures each, all different."""
    for seed, name in enumerate(("learn", "ask")):
        random = np.random.default_rng(seed)
        for number, label in enumerate(CLASSES):
            for image in range(6):
                path = tmp_path / "faces" / name / label / f"{image}.jpg"
                draw_pattern(path, number + 3 * seed, random)
    return tmp_path / "faces"


def folders(faces: Path, *more: str) -> tuple[str, ...]:
    """Return the command line that learns from `learn` and is validated on `ask`."""
    roots = (f"dataset.root={faces / 'learn'}", f"eval.dataset.root={faces / 'ask'}")
    return ("dataset=folder", "eval=folder_5w5s", *roots, *SMALL, *more)


def test_clean_data_pass(typed: Check, faces: Path) -> None:
    """Exit code 0, and a plain word that nothing is wrong: a false alarm would be ignored next."""
    checked = typed(*folders(faces))
    assert checked.code == 0, checked.err
    assert checked.report["spoilt"] is False
    assert checked.report["findings"] == []
    assert "nothing found that would spoil a result" in checked.out
    assert "learn" in checked.out
    assert "folders of classes" in checked.out
    training = checked.report["roles"][0]
    assert (training["role"], training["images"], training["classes"]) == ("training", 18, 3)
    assert training["asked"] == "3-way 2-shot 2-query"
    assert checked.report["config"]["train"]["k_shot"] == 2
    for name in ("learn", "ask"):  # one adapter, two folders: neither hides the other
        assert f"folder {faces / name}, images" in checked.out


def test_pictures_that_an_encoder_may_have_seen(typed: Check, faces: Path) -> None:
    """Weights of unnamed pictures may know anybody's; those from scratch know none."""
    checked = typed(*folders(faces, "backbone=face_expression"))
    assert "licence: MIT" in checked.finding("may be known to the encoder")["detail"]
    assert "may be known to the encoder" not in typed(*folders(faces)).titles("note")


def test_a_file_of_weights_without_a_card(typed: Check, faces: Path, tmp_path: Path) -> None:
    """The card that is written says what the file shows, and passes once a person has filled it."""
    file = tmp_path / "faces.pth"
    state = resnet18(num_classes=86).state_dict()
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, file)
    line = folders(faces, "backbone=file", f"backbone.weights={file}")
    first = typed(*line)
    assert first.code == 1
    assert "they fit resnet18; left out: fc.weight, fc.bias" in first.out
    assert "says nothing of image_size, mean, std, source" in typed(*line).err
    card = yaml.safe_load(file.with_suffix(".yaml").read_text())
    origin = {"source": "a colleague", "licence": "unknown", "trained_on": "unnamed"}
    colours = {"image_size": 64, "mean": [0.5] * 3, "std": [0.5] * 3}
    file.with_suffix(".yaml").write_text(yaml.safe_dump(card | origin | colours))
    filled = typed(*line)
    assert filled.code == 0, filled.err
    assert "trained on unnamed" in filled.finding("may be known to the encoder")["detail"]


def test_published_layouts(typed: Check, data: Path) -> None:
    """RAF-DB and AFEW: recognised, counted against the published figures, which are no fault."""
    small = ("train.k_shot=2", "train.n_query=1", "test.k_shot=2")
    checked = typed(f"paths.data={data}", "test=afew_4w5s", "eval.k_shot=2", *small)
    assert checked.code == 0, checked.err
    assert checked.finding("counts of rafdb_basic differ")["level"] == "note"
    assert "63 images, officially 15339" in checked.finding("counts of rafdb_basic")["detail"]
    assert "42 clips, officially 1156" in checked.finding("counts of afew")["detail"]
    line = next(line for line in checked.out.splitlines() if line.startswith("surprise"))
    assert line.split() == ["surprise", "6", "1290", "3", "329"]
    assert "folders of classes, and of clips" in checked.out
    assert "a list of labels" in checked.out
    # Of 9 frames in 3 clips, 8 are left for 2 shots, 2 of them of the query's clip.
    share = f"{100 * (1 - 6 / 8 * 5 / 7):.1f} % of queries"
    assert share in checked.finding("clips of test afew")["detail"]


def test_mixed_set_and_its_test_images(typed: Check, demo: Path) -> None:
    """Training on all of RAF-DB spoils a test on its test split; the golden counts stand beside."""
    arguments = ("dataset=mixed", "eval=afew_4w5s", "eval.k_shot=2")
    small = ("train.k_shot=2", "train.n_query=1", f"paths.data={demo}")
    checked = typed(*arguments, *small, "test=basic_7w1s")
    assert checked.code == 1, checked.err
    assert checked.titles("spoils") == ["the same files in training and test"]
    assert "officially 16359" in checked.finding("counts of mixed")["detail"]
    assert "fear/01306270" in checked.finding("named clips that are not there")["detail"]
    assert checked.finding("trained on test images")["level"] == "note"
    shared = checked.finding("the same files in training and test")
    assert shared["count"] == len(shared["paths"]) > 3
    assert f"and {shared['count'] - 3} more in check.json" in checked.out
    ids = checked.finding("ids of several clips")
    assert ids["level"] == "note"
    assert ["train/Sad/001703120", "val/Happy/001703120"] in ids["paths"]
    assert typed(*arguments, *small).code == 0


@pytest.mark.usefixtures("demo")
def test_demo_counts_are_no_fault(typed: Check) -> None:
    """The embedded set is smaller by design: its counts are shown without the official ones."""
    checked = typed("experiment=demo", "demo.scale=0.02")
    assert checked.code == 0, checked.err
    assert "official counts are not applicable" in checked.out
    assert {count["official"] for count in checked.report["counts"]} == {None}
    assert not checked.titles("spoils")
    assert not [title for title in checked.titles("note") if "near-identical" in title]


def test_a_copied_file_in_two_roles(typed: Check, faces: Path) -> None:
    """The same bytes under another name: what a re-packed data set may hold."""
    shutil.copy(faces / "learn/sad/0.jpg", faces / "ask/sad/renamed.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 1
    found = checked.finding("the same pictures in training and validation")
    assert found["level"] == "spoils"
    assert found["paths"] == [
        [str(faces / "learn/sad/0.jpg"), str(faces / "ask/sad/renamed.jpg")],
    ]
    assert "SPOILS" in checked.out
    assert "renamed.jpg" in checked.out
    assert "1 thing found that would spoil a result" in checked.out


def test_a_picture_saved_anew_in_two_roles(typed: Check, faces: Path) -> None:
    """Another size, another compression: no hash of the bytes would find it."""
    saved_anew(faces / "learn/happy/3.jpg", faces / "ask/happy/other.jpg", side=90, quality=60)
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert checked.titles("spoils") == ["near-identical pictures in training and validation"]
    assert checked.finding("near-identical")["paths"] == [
        [str(faces / "learn/happy/3.jpg"), str(faces / "ask/happy/other.jpg")],
    ]


def test_the_same_files_in_two_roles(typed: Check, faces: Path) -> None:
    """Learnt and asked from one folder; between validation and test only if that chooses."""
    one = folders(faces, f"eval.dataset.root={faces / 'learn'}")
    checked = typed(*one)
    assert checked.code == 1
    assert checked.finding("the same files in training and validation")["count"] == 18
    tests = ("test=folder_5w5s", f"test.dataset.root={faces / 'ask'}", "test.n_way=3")
    twice = folders(faces, *tests, "test.k_shot=2")
    assert typed(*twice).titles("spoils") == ["the same files in validation and test"]
    checked = typed(*twice, "train.tested=last", "train.patience=0")
    assert checked.code == 0
    assert "validation chooses nothing" in checked.finding("the same files")["detail"]


def test_a_picture_twice_in_one_role(typed: Check, faces: Path) -> None:
    """Of two classes it is a fault; of one, where it can be support and query of an episode that
    counts: not in training, and not within one group."""
    again = faces / "learn/sad/again.jpg"
    shutil.copy(faces / "learn/sad/0.jpg", again)
    checked = typed(*folders(faces))
    assert checked.code == 0
    assert checked.finding("the same pictures twice in training")["paths"] == [
        [str(faces / "learn/sad/0.jpg"), str(again)]
    ]
    again.rename(faces / "learn/angry/again.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert checked.titles("spoils") == [
        "the same pictures twice in training, under two class names"
    ]
    assert "anger and sadness" in checked.finding("the same pictures twice")["detail"]
    (faces / "learn/angry/again.jpg").unlink()
    for group in ("one", "two"):
        shutil.rmtree(faces / "ask/sad")
        for number in range(6):
            draw_pattern(faces / f"ask/sad/{number}.jpg", 9, np.random.default_rng(50 + number))
        for place in ("one", group):
            copy = faces / f"ask/sad/{place}/{len(place)}{place == group}.jpg"
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(faces / "ask/sad/0.jpg", copy)
        (faces / "ask/sad/0.jpg").unlink()
        checked = typed(*folders(faces))
        spoilt = ["the same pictures twice in validation folder, in two groups"] * (group == "two")
        assert checked.titles("spoils") == spoilt


def test_a_clip_in_two_roles(typed: Check, faces: Path, tmp_path: Path) -> None:
    """Two lists name one group: a fault where groups are kept apart, else a note."""
    lists = []
    for name in ("learn", "ask"):
        rows = ["path,label,group"]
        for path in sorted((faces / name).rglob("*.jpg")):
            group = "film 7" if path.stem in "01" else f"{name} {path.parent.name} {path.stem}"
            rows.append(f"{path},{path.parent.name},{group}")
        lists.append(tmp_path / f"{name}.csv")
        lists[-1].write_text("\n".join(rows))
    files = (f"dataset.file={lists[0]}", f"eval.dataset.file={lists[1]}")
    arguments = ("dataset=csv", "eval=csv_5w5s", *files, *SMALL)
    checked = typed(*arguments)
    assert checked.code == 1
    found = checked.finding("the same groups in training and validation")
    assert found["level"] == "spoils"
    assert "film 7" in found["detail"]
    assert found["count"] == 6
    assert typed(*arguments, "episodes.disjoint=image").code == 0


def test_a_damaged_picture(typed: Check, faces: Path) -> None:
    """An unreadable file is named and does not hide what else there is."""
    broken = faces / "learn/happy/2.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    shutil.copy(faces / "learn/sad/0.jpg", faces / "ask/sad/renamed.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert checked.finding("unreadable images")["paths"] == [[str(broken)]]
    assert checked.finding("the same pictures in training and validation")
    assert "Traceback" not in checked.err


def test_a_class_that_is_too_small(typed: Check, faces: Path) -> None:
    """Two images where four are asked: a fault, or a note where such classes are to be skipped."""
    for number in range(2, 6):
        (faces / "learn/sad" / f"{number}.jpg").unlink()
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert "'sadness' has 2 images" in checked.finding("training cannot be drawn")["detail"]
    assert checked.report["roles"][0]["asked"] == "cannot be drawn"
    skip = folders(faces, "episodes.skip_small_classes=true", "train.n_way=2")
    checked = typed(*skip)
    assert checked.code == 0
    found = checked.finding("training cannot be drawn")
    assert found["level"] == "note"
    assert "'sadness' has 2 images; left out, as episodes.skip" in found["detail"]
    assert found["detail"].count("episodes.skip_small_classes=true") == 1
    assert typed(*skip, "train.n_way=3").code == 1


def test_a_fixed_support(typed: Check, data: Path) -> None:
    """A support from the training set is no overlap; of one from the queries' own clips it is
    said how many queries are not scored against it."""
    small = ("train.k_shot=1", "train.n_query=1", "eval.k_shot=2", "eval.support_draws=1")
    fixed = (f"paths.data={data}", *small)
    checked = typed(*fixed, "eval=afew_fixed5")
    assert checked.code == 0, checked.out
    assert checked.report["roles"][1]["asked"] == "every image, 2 support images a class"
    checked = typed(*fixed, "eval=afew_fixed5", "eval.support_split=val")
    assert checked.code == 0, checked.out
    shared = checked.finding("the same groups in support and queries of validation afew")
    assert "not scored in a draw whose support holds it" in shared["detail"]
    assert "and are not scored against it" in checked.finding("clips of valid")["detail"]
    checked = typed(*fixed, "eval=afew_fixed5", "eval.k_shot=50")
    assert checked.code == 1
    assert "a fixed support of 50 images" in checked.finding("validation afew cannot")["detail"]


def test_odd_pictures_are_notes(typed: Check, faces: Path) -> None:
    """Grey, tiny and oblong pictures: each listed with its path, none of them a fault."""
    with Image.open(faces / "learn/sad/0.jpg") as picture:
        colour = picture.copy()
    colour.convert("L").save(faces / "learn/sad/0.jpg")
    Image.merge("RGB", [colour.getchannel(0)] * 3).save(faces / "learn/sad/equal.png")
    draw_pattern(faces / "learn/sad/1.jpg", 5, np.random.default_rng(9))
    with Image.open(faces / "learn/sad/1.jpg") as picture:
        picture.resize((20, 20)).save(faces / "learn/sad/1.jpg")
    draw_pattern(faces / "learn/sad/2.jpg", 6, np.random.default_rng(10))
    with Image.open(faces / "learn/sad/2.jpg") as picture:
        picture.crop((0, 0, 40, 36)).save(faces / "learn/sad/2.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 0
    sad = faces / "learn/sad"
    assert checked.finding("grey")["paths"] == [[str(sad / "0.jpg")], [str(sad / "equal.png")]]
    assert checked.finding("images under 32")["paths"] == [[str(sad / "1.jpg")]]
    assert checked.finding("images that are not square")["paths"] == [[str(sad / "2.jpg")]]


def test_a_sweep_remembers_a_fault(typed: Check, faces: Path) -> None:
    """Exit code 1 if any job of a sweep finds a fault, whichever comes last."""
    assert typed(*folders(faces), "-m", "eval.k_shot=50,2").code == 1
    assert typed(*folders(faces), "-m", "eval.k_shot=1,2").code == 0


def test_mistakes_are_one_line(typed: Check, tmp_path: Path) -> None:
    """An error of the user is exit code 2, not 1: nothing was checked."""
    for arguments, culprit in (
        (("dataset=folder", f"dataset.root={tmp_path / 'gone'}"), "gone"),
        (("train.n_wya=3",), "n_wya"),
        (("+typo=1",), "typo"),
        ((f"paths.data={tmp_path / 'gone'}",), "gone"),
    ):
        checked = typed(*arguments)
        assert checked.code == 2
        assert culprit in checked.err
        assert checked.err.count("error: ") == 1
        assert not Path("outputs").exists()
