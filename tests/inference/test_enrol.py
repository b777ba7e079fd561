"""Supports of other classes: pictures are added, and priors are made anew for them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typed_predict import make_run

from fewshot_fer.evaluation.support import SupportSet, save_support_set, with_priors
from fewshot_fer.inference.classifier import FaceClassifier
from fewshot_fer.inference.crops import Cropper
from fewshot_fer.inference.enrol import Enrolment, enrol, join_supports, resolve_support
from fewshot_fer.inference.page.classify import PictureClassifier
from fewshot_fer.inference.page.teach import add_pictures
from fewshot_fer.inference.page.visitor import Visitor
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import Method
from fewshot_fer.models.methods.prototypes import prototype_logits

PRIORS = Priors(("a", "b", "new"), torch.eye(5)[:3], spread=1.0, weight=None, parts={})
COMPOSED = Method("composed", prototype_logits, priors=PRIORS)


def pictures(folder: Path, count: int = 3) -> list[Path]:
    folder.mkdir(parents=True)
    files = [folder / f"{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        Image.new("RGB", (4, 4), (60 * number, 200, 30)).save(file)
    return files


def test_a_class_is_added_beside_priors(tmp_path: Path) -> None:
    """The page has the prototypes that predict has with all these pictures: no prior is lost or
    counted twice, the new class has its own."""
    run = make_run(1.0, method=COMPOSED)
    start = Enrolment(with_priors(run.support, PRIORS), {})
    page, visitor = PictureClassifier(run, start, Cropper(4, None)), Visitor()
    files = pictures(tmp_path / "new")
    assert "3 pictures added. 4 classes now." in add_pictures(page, "new", files, visitor)
    new = enrol({"new": files}, run, Cropper(4, None)).support
    expected = with_priors(join_supports(run.support, new), PRIORS)
    shown = page.classify(files[0], visitor).probabilities
    direct = FaceClassifier(run, expected).classify(
        np.stack([np.moveaxis(np.array(Image.open(files[0])), 2, 0)])
    )
    assert shown == pytest.approx(
        dict(zip(direct.class_names, direct.probabilities[0], strict=True))
    )
    add_pictures(page, "new", files[:1], visitor)
    assert visitor.count("new") == 4


def test_joined_supports_keep_what_each_picture_counts_for() -> None:
    """Entries of either that stand for several pictures still do; others count one."""
    one = SupportSet(
        ("a",), torch.ones(2, 5), torch.tensor([0, 0]), ("1", "2"), "w", torch.tensor([1.0, 3.0])
    )
    other = SupportSet(("b", "a"), torch.zeros(2, 5), torch.tensor([0, 1]), ("3", "4"), "w")
    both = join_supports(one, other)
    assert both.class_names == ("a", "b")
    assert both.counts is not None
    assert both.counts.tolist() == [1, 3, 1, 1]
    assert both.prototypes()[0].tolist() == pytest.approx([0.8] * 5)


@pytest.mark.parametrize("stored", [True, False])
def test_every_way_to_give_a_support_has_priors(tmp_path: Path, stored: bool) -> None:
    """A folder and a stored support, for the page as for predict."""
    run = make_run(1.0, method=COMPOSED)
    given = tmp_path / "mine"
    classes = {name: pictures(given / name) for name in ("a", "new")}
    plain = enrol(classes, run, Cropper(4, None)).support
    if stored:
        given = tmp_path / "mine.pt"
        save_support_set(given, plain)
    taken = resolve_support(str(given), run, Cropper(4, None)).support
    assert len(taken.paths) == len(plain.paths) + 2
    torch.testing.assert_close(taken.prototypes(), with_priors(plain, PRIORS).prototypes())
