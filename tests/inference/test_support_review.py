"""What leaving out each picture of a support shows, against numpy, and what is said of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Command
from typed_predict import draw_classes, make_run

from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.support_review import SupportReview, review_support


def review_of(embeddings: np.ndarray, labels: list[int], names: tuple[str, ...]) -> SupportReview:
    support = SupportSet(
        names,
        torch.from_numpy(embeddings).float(),
        torch.tensor(labels),
        tuple(f"{row}.jpg" for row in range(len(labels))),
        "weights",
    )
    return review_support(FaceClassifier(make_run(1.0), support), {"1.jpg": "small: ..."})


def test_each_picture_left_out_of_its_prototype() -> None:
    """Distances, what each is taken for, and the counts of classes, one picture after another."""
    random = np.random.default_rng(0)
    labels = [0, 0, 0, 0, 1, 1, 1, 2]
    embeddings = random.normal(size=(8, 5)).astype(np.float32)
    review = review_of(embeddings, labels, ("a", "b", "c"))
    for row, found in enumerate(review.pictures):
        others = [r for r in range(8) if r != row]
        means = {
            name: embeddings[[r for r in others if labels[r] == place]].mean(axis=0)
            for place, name in enumerate("abc")
            if any(labels[r] == place for r in others)
        }
        far = {name: float(np.linalg.norm(embeddings[row] - mean)) for name, mean in means.items()}
        own = far.pop("abc"[labels[row]], None)
        assert found["nearest_other"] == min(far, key=lambda name: far[name])
        assert found["other_distance"] == pytest.approx(min(far.values()), rel=1e-4)
        if own is None:
            assert (found["distance"], found["taken_for"], found["odd"]) == (None, "", False)
            continue
        assert found["distance"] == pytest.approx(own, rel=1e-4)
        nearest = found["nearest_other"] if min(far.values()) < own else found["class"]
        assert found["taken_for"] == nearest
        assert found["odd"] == (min(far.values()) < 0.8 * own)
    assert review.pictures[1]["reason"] == "small: ..."
    for place, found in enumerate(review.classes):
        taken = [row["taken_for"] for row in review.pictures if row["class"] == "abc"[place]]
        assert found["pictures"] == labels.count(place)
        assert found["right"] == taken.count("abc"[place])
        assert found["times"] == (taken.count(found["taken_for"]) if found["taken_for"] else 0)


def test_a_mislabelled_picture_and_classes_that_lie_together() -> None:
    """One line each, and nothing of what is as it should be."""
    noise = np.random.default_rng(1).normal(0, 0.1, (15, 4))
    centres = np.repeat(np.eye(3, 4) * 5, 5, axis=0)
    labels = np.repeat([0, 1, 2], 5).tolist()
    names = ("calm", "glad", "sad")
    assert review_of(centres + noise, labels, names).lines() == []
    swapped = centres.copy()
    swapped[2] = centres[12]
    (line,) = review_of(swapped + noise, labels, names).lines()
    assert line.startswith("2.jpg is far from calm")
    assert "near sad" in line
    (line,) = review_of(swapped + noise, labels, names).lines(by_number=True)
    assert line.startswith("picture 3 of calm is far")
    together = np.random.default_rng(2).normal(0, 0.1, (60, 4))
    together[40:] += 5  # sad; nothing tells the other two apart
    lines = review_of(together, np.repeat([0, 1, 2], 20).tolist(), names).lines()
    assert lines[0].startswith("calm and glad lie together")
    assert len(lines) == 1


def test_a_support_in_files(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """A picture of the other pattern is named on screen and in support.csv, beside the classes."""
    support = draw_classes(tmp_path / "mine", {"calm": 14, "rings": 9}, 6)
    (support / "calm/0.jpg").write_bytes((support / "rings/0.jpg").read_bytes())
    words = (f"run={fixed_run}", f"images={support}", f"support={support}", "align=false")
    outcome = command("predict", *words)
    assert outcome.code == 0, outcome.err
    pictures = pd.read_csv(outcome.folder / "support.csv", keep_default_na=False)
    assert len(pictures) == 12
    odd = pictures[pictures["odd"]]
    assert [Path(file).name for file in odd["file"]] == ["0.jpg"]
    assert odd[["class", "taken_for"]].to_numpy().tolist() == [["calm", "rings"]]
    assert outcome.err.count("is far from calm") == 1
    classes = pd.read_csv(outcome.folder / "support_classes.csv", keep_default_na=False)
    assert classes.loc[0].tolist() == ["calm", 6, 5, "rings", 1]
    plain = command("predict", f"run={fixed_run}", f"images={support}", "align=false")
    assert not (plain.folder / "support.csv").exists()
