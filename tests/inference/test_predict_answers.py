"""Predictions against a calculation by hand, files behind names, and rows that reach the disk."""

import csv
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typed_predict import make_run

from fewshot_fer.cli.words import as_list, as_text
from fewshot_fer.evaluation.support import SupportSet, support_of_names, with_priors
from fewshot_fer.inference.classifier import NONE, FaceClassifier
from fewshot_fer.inference.crops import as_input
from fewshot_fer.inference.draw import LONGEST, Names, draw_answers
from fewshot_fer.inference.inputs import find_inputs
from fewshot_fer.inference.tables import Tables
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.prototypes import CosinePrototypes
from fewshot_fer.system.errors import ConfigError, DataError
from fewshot_fer.system.figures import families, font_for


def test_answers_by_hand() -> None:
    """Prototype, squared distance, temperature, threshold, neighbours: as numpy has them."""
    run = make_run(temperature=2.5)
    queries = torch.randn(40, 5)
    answers = FaceClassifier(run, run.support, threshold=-6.0, neighbours=4).answer_embeddings(
        queries
    )
    support, labels = run.support.embeddings.double().numpy(), run.support.labels.numpy()
    for row, query in enumerate(queries.double().numpy()):
        prototypes = np.array([support[labels == label].mean(axis=0) for label in range(3)])
        squared = ((query - prototypes) ** 2).sum(axis=1)
        shares = np.exp(-squared / 2.5) / np.exp(-squared / 2.5).sum()
        assert answers.probabilities[row] == pytest.approx(shares, rel=1e-4)
        assert answers.given[row] == squared.argmin()
        assert answers.distances[row] == pytest.approx(math.sqrt(squared.min()), rel=1e-4)
        assert answers.known[row] == (squared.min() <= 6)
        assert answers.label(row) == ("abc"[squared.argmin()] if squared.min() <= 6 else NONE)
        far = np.sqrt(((query - support) ** 2).sum(axis=1))
        assert answers.nearest[row].tolist() == far.argsort()[:4].tolist()
        assert answers.nearest_distances[row] == pytest.approx(np.sort(far)[:4], rel=1e-4)
    assert 0 < answers.known.sum() < 40


def test_a_head_answers_for_its_own_classes_only() -> None:
    """Its logits over its own temperature; another support, or other classes, ask prototypes."""
    head = nn.Linear(5, 3)
    run = make_run(2.5, head)
    queries = torch.randn(7, 5)
    with torch.no_grad():
        expected = torch.softmax(head(queries) / 4.0, dim=1).numpy()
    own = FaceClassifier(run, run.support)
    assert own.answer_embeddings(queries).probabilities == pytest.approx(expected, rel=1e-5)
    copy = SupportSet(**vars(run.support))
    other = FaceClassifier(run, copy).answer_embeddings(queries)
    plain = make_run(2.5)
    by_prototype = FaceClassifier(plain, plain.support)
    assert other.probabilities == pytest.approx(
        by_prototype.answer_embeddings(queries).probabilities
    )


def test_a_method_of_means_answers_with_its_own_logits() -> None:
    """The scaled cosine over the temperature; distances and the threshold stay Euclidean."""
    cosine = Method("cosine", CosinePrototypes())
    run = make_run(2.5, method=cosine)
    queries = torch.randn(40, 5)
    answering = FaceClassifier(run, run.support, threshold=-6.0)
    answers = answering.answer_embeddings(queries)
    support = run.support.embeddings.split([1, 2, 3])
    prototypes = torch.stack([own.mean(dim=0) for own in support])
    angles = nn.functional.cosine_similarity(queries[:, None], prototypes, dim=2)
    shares = torch.softmax(10 * angles / 2.5, dim=1)
    assert answers.probabilities == pytest.approx(shares.numpy(), rel=1e-4)
    squared = torch.cdist(queries, prototypes).square()
    assert answers.known.tolist() == (squared.amin(dim=1) <= 6).tolist()
    given = squared.gather(1, torch.from_numpy(answers.given)[:, None])[:, 0].sqrt()
    assert answers.distances == pytest.approx(given.numpy(), rel=1e-4)
    assert (answering.answered_by, answering.remarks()) == ("cosine", [])


def test_what_nobody_would_expect_is_said() -> None:
    """A method made for episodes leaves the answer to prototypes; a head may lack a temperature."""
    tim = Method("tim", lambda support, query: query)
    run, plain = make_run(2.5, method=tim), make_run(2.5)
    queries = torch.randn(9, 5)
    answering = FaceClassifier(run, run.support)
    expected = FaceClassifier(plain, plain.support).answer_embeddings(queries)
    assert answering.answer_embeddings(queries).probabilities == pytest.approx(
        expected.probabilities
    )
    assert answering.answered_by == "prototypes"
    assert ["nearest prototype" in line for line in answering.remarks()] == [True]
    uncalibrated = make_run(2.5, nn.Linear(5, 3), head_temperature=None)
    answering = FaceClassifier(uncalibrated, uncalibrated.support)
    assert (answering.temperature, answering.is_calibrated) == (1.0, False)
    assert ["not calibrated" in line for line in answering.remarks()] == [True]


def test_priors_are_no_neighbours() -> None:
    """What a support knows by names moves prototypes, and is no picture to show."""
    run = make_run(1.0)
    priors = Priors(("a", "b"), torch.zeros(2, 5), spread=1.0, weight=3.0, parts={})
    support = with_priors(run.support, priors)
    assert len(support.paths) == 8
    answering = FaceClassifier(run, support, neighbours=20)
    answers = answering.answer_embeddings(torch.zeros(2, 5))  # where the priors lie
    assert sorted(answers.nearest[0].tolist()) == list(range(6))
    named = FaceClassifier(run, support_of_names(["a", "b"], priors, "weights"), neighbours=5)
    assert named.answer_embeddings(torch.zeros(2, 5)).nearest.shape == (2, 0)


def test_a_crop_is_answered_alike_in_any_company() -> None:
    """One by one, all at once, and in another order: the same answers."""
    run = make_run(1.0)
    answering = FaceClassifier(run, run.support)
    crops = np.random.default_rng(1).integers(0, 256, (300, 3, 4, 4), dtype=np.uint8)
    whole = answering.answer(crops)
    turned = answering.answer(np.ascontiguousarray(crops[::-1]))
    assert turned.given[::-1].tolist() == whole.given.tolist()
    alone = [answering.answer(crops[row : row + 1]).given[0] for row in range(50)]
    assert alone == whole.given[:50].tolist()


def test_a_frame_becomes_what_its_file_would(tmp_path: Path) -> None:
    """The same centred square and the same filter as for packed files."""
    from fewshot_fer.data.decode import decode

    for shape in ((100, 100), (31, 64), (84, 84), (90, 47)):
        picture = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "x.png")
        np.testing.assert_array_equal(as_input(picture, 84), decode(tmp_path / "x.png", 84))


def test_files_behind_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders with all below, globs, files of any ending; natural order, nothing twice."""
    monkeypatch.chdir(tmp_path)
    names = ("in/2.jpg", "in/10.jpg", "in/deep/3.PNG", "in/film.AVI", "in/.x.jpg", "in/a.txt", "b")
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("in/loop").symlink_to(tmp_path / "in")
    found = find_inputs(["in/10.jpg", "in", "b", "in/*/3.*"])
    assert [str(file) for file in found.pictures] == ["in/10.jpg", "in/2.jpg", "in/deep/3.PNG", "b"]
    assert [str(file) for file in found.videos] == ["in/film.AVI"]
    Path("odd[1].jpg").touch()
    assert len(find_inputs(["odd[1].jpg"])) == 1
    with pytest.raises(DataError, match="nowhere"):
        find_inputs(["in", "nowhere/x.jpg"])


def test_videos_need_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it they are refused before anything is answered, with what to install."""
    (tmp_path / "x.avi").touch()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"fewshot_fer\[video\]"):
        find_inputs([str(tmp_path)])


def test_words_survive_hydra() -> None:
    """Lists and paths with letters that its grammar does not know are put in quotes."""
    assert as_list("images=a b.jpg,'c,d.jpg'", "images") == "images=['a b.jpg','c,d.jpg']"
    assert as_text("support=내 얼굴", "support") == "support='내 얼굴'"
    assert as_text("support=it's", "support") == r"support='it\'s'"
    for word in ("support=null", "support=", "run=x", "support='a'", "support=${run}"):
        assert as_text(word, "support") == word


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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "predictions.csv.part",
        "predictions.json.part",
    ]
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
    names = Names()
    files = [Path("a/x.jpg"), Path("b/x.png"), Path("c/X.jpg"), Path("a/x.jpg")]
    assert [names.of(file) for file in files] == ["x", "x_2", "X_3", "x"]


def test_drawings_of_odd_shapes() -> None:
    """Boxes past the edge, names longer than the picture, letters no font has, huge pictures."""
    wide = np.zeros((40, 4 * LONGEST, 3), np.uint8)
    assert draw_answers(wide, [], [], []).width == LONGEST
    box = (-5.0, -5.0, 90.0, 20.0)
    for caption in ("x" * 200, "기쁨 ᚠ 🙂", ""):
        drawn = draw_answers(np.zeros((30, 20, 3), np.uint8), [box], [caption], [True])
        assert drawn.size == (20, 30)
        assert np.asarray(drawn).any()
        font_for(caption, 12).getlength(caption)
    assert families(("happy",)) == ["DejaVu Sans"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_bytes(tmp_path: Path) -> None:
    """A file whose name is no text is answered under an escaped one."""
    from fewshot_fer.inference.inputs import Shot

    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).touch()
    found = find_inputs([str(tmp_path)]).pictures
    assert Shot(found[0]).name.endswith(r"caf\udce9.jpg")
