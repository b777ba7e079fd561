"""`predict refine=`: the figures of episodes, whatever the order, and any mix of classes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Command, assert_one_line
from films import squares, write_film
from typed_predict import draw_classes, make_run, table_of

import fewshot_fer as ff
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.scoring import logits_in_chunks
from fewshot_fer.evaluation.support import SupportSet, with_priors
from fewshot_fer.inference import refine
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.refine import Refinement
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES, Method, refined, untrained_method
from fewshot_fer.models.methods.registry import method_names

NAMES, SHOT, QUERY, FEATURES = ("fear", "anger", "fearfully angry"), 4, 7, 5
BY = pytest.mark.parametrize("by", method_names(refines=True))


def places(count: int) -> list[refine.Place]:
    return [(f"{number:04}.jpg", -1, 0) for number in range(count)]


def episode_probabilities(method: Method, embeddings: torch.Tensor) -> np.ndarray:
    """Return the probabilities [Q, C] that an evaluation has for the one episode in embeddings."""
    rows = np.arange(len(embeddings)).reshape(1, len(NAMES), SHOT + QUERY)
    classes = np.arange(len(NAMES))[None]
    episodes = Episodes(NAMES, classes, rows[..., :SHOT], rows[..., SHOT:])
    logits = next(logits_in_chunks(method, embeddings, rows.flatten(), episodes))[0]
    return logits.double().softmax(dim=-1).numpy()


@BY
@pytest.mark.parametrize("priors", [False, True])
def test_figures_are_those_of_an_episode(by: str, priors: bool) -> None:
    """On the same support and queries: plain with its pictures, composed from where it starts."""
    random = torch.Generator().manual_seed(4)
    faces = torch.randn(len(NAMES), SHOT + QUERY, FEATURES, generator=random)
    faces = faces + 2 * torch.randn(len(NAMES), 1, FEATURES, generator=random)
    faces = torch.nn.functional.normalize(faces, dim=-1)
    run = make_run(2.5)
    support = SupportSet(
        class_names=NAMES,
        embeddings=faces[:, :SHOT].flatten(0, 1),
        labels=torch.arange(3).repeat_interleave(SHOT),
        paths=tuple(f"{row}.jpg" for row in range(3 * SHOT)),
        weights="weights",
    )
    method = untrained_method(by)
    if priors:
        known = Priors(NAMES[:2], faces[:2, 0], spread=0.5, weight=None, parts={})
        support = with_priors(support, known)
        composed = Method("composed", PROTOTYPES.logits, priors=known)
        run, method = replace(run, method=composed), refined(composed, by)
    expected = episode_probabilities(method, faces.flatten(0, 1))
    queries = faces[:, SHOT:].flatten(0, 1)
    found = Refinement(FaceClassifier(run, support), by).classify_embeddings(
        queries, places(len(queries))
    )
    assert found.probabilities == pytest.approx(expected, abs=1e-5)
    assert found.predicted.tolist() == expected.argmax(axis=1).tolist()
    to_prototype = (queries - support.prototypes()[found.predicted]).norm(dim=1)
    assert found.distances == pytest.approx(to_prototype.numpy(), abs=1e-5)


@pytest.mark.parametrize("most", [5_000, 8])
def test_the_order_of_faces_changes_nothing(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it where they are too many for one task."""
    monkeypatch.setattr(refine, "MOST_TOGETHER", most)
    run = make_run(2.5)
    faces, where = torch.randn(30, 5), places(30)
    classifier = FaceClassifier(run, run.support, threshold=-6.0, neighbours=2)
    for by in method_names(refines=True):
        one = Refinement(classifier, by).classify_embeddings(faces, where)
        order = np.random.default_rng(1).permutation(30)
        other = Refinement(classifier, by).classify_embeddings(
            faces[torch.from_numpy(order)], [where[row] for row in order]
        )
        assert one.neighbours is not None
        assert other.neighbours == [one.neighbours[row] for row in order]
        for name in ("probabilities", "predicted", "distances", "known"):
            assert (getattr(other, name) == getattr(one, name)[order]).all()


def test_any_mix_of_classes_is_no_worse() -> None:
    """Where all faces are of one class, or of two, what true stands for names no fewer of them
    rightly than prototypes alone; a method for equally frequent classes does."""
    random = torch.Generator().manual_seed(2)
    run, gains = make_run(1.0), {refine.DEFAULT: [], "bdcspn": []}
    names = tuple("abcdef")
    for _ in range(12):
        centres = torch.randn(6, 1, 24, generator=random)
        faces = centres + 1.2 * torch.randn(6, 60, 24, generator=random)
        faces = torch.nn.functional.normalize(faces, dim=-1)
        support = SupportSet(
            *(names, faces[:, 0], torch.arange(6), tuple(f"{n}.jpg" for n in names), "weights")
        )
        classifier = FaceClassifier(run, support)
        for counts in ((50, 0, 0, 0, 0, 0), (30, 8, 0, 0, 0, 0)):
            labels = np.repeat(np.arange(6), counts)
            queries = torch.cat([faces[c, 1 : 1 + n] for c, n in enumerate(counts)])
            alone = (classifier.classify_embeddings(queries).predicted == labels).mean()
            for by, gained in gains.items():
                together = Refinement(classifier, by)
                found = together.classify_embeddings(queries, places(len(queries)))
                gained.append((found.predicted == labels).mean() - alone)
    assert np.mean(gains[refine.DEFAULT]) > 0
    assert np.mean(gains["bdcspn"]) < 0


def test_a_folder_is_one_task(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """Whichever file is named first, drawn or not, from Python too; rows and JSON say it."""
    images = draw_classes(tmp_path / "images", {"x": 1, "y": 6}, 4)
    files = sorted(map(str, images.rglob("*.jpg")))
    words = (f"run={fixed_run}", "align=false", "refine=true")
    first = command("predict", *words, f"images={','.join(files)}")
    expected = table_of(first).set_index("file")
    assert set(expected["uses"]) == {refine.USES}
    facts = json.loads((first.folder / "predictions.json").read_text())
    assert (facts["refine"], facts["calibrated"]) == (refine.DEFAULT, False)
    assert {row["uses"] for row in facts["predictions"]} == {refine.USES}
    assert "rests on the others" in first.out
    backwards = ",".join(files[::-1])
    again = command("predict", *words, f"images={backwards}", "draw=true", "explain=2")
    assert len(list((again.folder / "drawn").iterdir())) == 8
    ours = ff.load_run(fixed_run, device="cpu").predict(files, refine=True).set_index("file")
    for other in (table_of(again).set_index("file").loc[expected.index], ours):
        assert other["label"].tolist() == expected["label"].tolist()
        shares = expected.filter(like="p_").to_numpy()
        assert other.filter(like="p_").to_numpy() == pytest.approx(shares, abs=1e-4)
        assert other["uses"].tolist() == expected["uses"].tolist()
    alone = table_of(command("predict", *words[:2], f"images={backwards}"))
    assert set(alone["uses"]) == {""}


def test_frames_of_a_video_decide_together(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """With the pictures of the call, and the clip's row says so."""
    pytest.importorskip("av")
    images = draw_classes(tmp_path / "images", {"x": 1}, 5)
    write_film(tmp_path / "images/film.avi", squares(sorted(images.rglob("*.jpg"))), rate=5)
    outcome = command("predict", f"run={fixed_run}", "images=images", "align=false", "refine=tim")
    table = table_of(outcome)
    assert (len(table), set(table["uses"])) == (10, {refine.USES})
    assert pd.read_csv(outcome.folder / "clips.csv")["uses"].tolist() == [refine.USES]


def test_what_cannot_be_refined(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """One face alone is predicted as ever, with a warning; logits without a support are refused."""
    images = draw_classes(tmp_path / "images", {"x": 1}, 1)
    words = (f"images={images}", "align=false")
    plain = table_of(command("predict", f"run={fixed_run}", *words))
    outcome = command("predict", f"run={fixed_run}", *words, "refine=true")
    assert "one face alone" in outcome.err
    assert table_of(outcome)["label"].tolist() == plain["label"].tolist()
    assert table_of(outcome)["uses"].tolist() == [""]
    facts = json.loads((outcome.folder / "predictions.json").read_text())
    assert (facts["refine"], facts["answered_by"]) == (None, "prototypes")
    assert_one_line(command("predict", *words, "refine=true"), "support=folder")
    refused = command("predict", f"run={fixed_run}", *words, "refine=ptmap")
    assert_one_line(refused, "laplacian")
