"""What the page does for a visitor, without a browser: classes are taught, kept and compared."""

import copy
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from films import squares, write_film
from PIL import Image
from typed_predict import draw_classes, table_of

from fewshot_fer.inference.crops import Cropper
from fewshot_fer.inference.enrol import Enrolment, resolve_support
from fewshot_fer.inference.page import teach
from fewshot_fer.inference.page.classify import PictureClassifier
from fewshot_fer.inference.page.visitor import Visitor
from fewshot_fer.models.backbones.face_expression import CLASSES
from fewshot_fer.runs.load import load_run
from fewshot_fer.runs.starter import starter, support_starter

NUMBERS = {"stripes": 9, "rings": 14}


@pytest.fixture(scope="module")
def page() -> PictureClassifier:
    """The page without a run, given crops of faces."""
    run = starter()
    return PictureClassifier(run, Enrolment(run.support, {}), Cropper(run.image_size, None))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures of each of two patterns."""
    return draw_classes(tmp_path_factory.mktemp("patterns"), NUMBERS, 7)


def frame(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"))


def show_and_teach(page: PictureClassifier, visitor: Visitor, pictures: Path, count: int) -> None:
    """Show pictures of each class to the camera, and take each."""
    for name in NUMBERS:
        for number in range(count):
            page.classify_frame(frame(pictures / name / f"{number}.jpg"), visitor)
            teach.take_picture(page, name, visitor)


def test_the_camera_teaches(page: PictureClassifier, pictures: Path) -> None:
    """Five pictures a class are enough at once; the seven stay; a press takes a frame once."""
    visitor = Visitor()
    face = pictures / "rings/6.jpg"
    before = page.classify(face, visitor)
    assert before.probabilities is not None
    assert tuple(before.probabilities) == CLASSES
    show_and_teach(page, visitor, pictures, 5)
    assert teach.take_picture(page, "rings", visitor) == "rings: 5 pictures."
    after = page.classify(face, visitor)
    assert after.probabilities is not None
    assert after.headline.startswith("rings")
    assert tuple(after.probabilities) == (*CLASSES, "stripes", "rings")
    rest = {name: after.probabilities[name] for name in CLASSES}
    shared = sum(rest.values())
    expected = {name: shared * share for name, share in before.probabilities.items()}
    assert rest == pytest.approx(expected, abs=1e-6)  # in the proportions that the network has
    near = after.faces[0].near
    assert len(near) == 5
    assert near[0].label == "rings"
    assert visitor.crops()[near[0].file] is not None


def test_only_my_classes_equals_predict(
    page: PictureClassifier, pictures: Path, command: Command, tmp_path: Path
) -> None:
    """The saved file is what `predict support=` takes, with the same probabilities; loaded again
    it gives them too, and a page that is started with it."""
    visitor = Visitor()
    show_and_teach(page, visitor, pictures, 5)
    visitor.choose(only_mine=True, may_reject=False)
    visitor.save(tmp_path / "mine.pt", page.known.taught_run.weights)
    face = pictures / "stripes/6.jpg"
    own = page.classify(face, visitor).probabilities
    words = (f"images={face}", f"support={tmp_path / 'mine.pt'}", "align=false")
    row = table_of(command("predict", *words)).iloc[0]
    assert own == pytest.approx({name: row[f"p_{name}"] for name in NUMBERS}, abs=1e-4)
    other = Visitor()
    message = teach.load(page, tmp_path / "mine.pt", other)
    assert message == "10 pictures of 2 classes loaded."
    other.choose(only_mine=True, may_reject=False)
    assert page.classify(face, other).probabilities == pytest.approx(own)
    given = resolve_support(str(tmp_path / "mine.pt"), support_starter(), page.cropper)
    started = PictureClassifier(page.run, page.start, page.cropper, taught=given)
    first = copy.deepcopy(started.first)  # as each visitor gets it
    assert started.classify(face, first).probabilities == pytest.approx(own)
    (tmp_path / "other.pt").write_bytes(b"no support")
    assert "Nothing loaded" in teach.load(page, tmp_path / "other.pt", other)


def test_classes_are_renamed_and_removed(page: PictureClassifier, pictures: Path) -> None:
    """A renamed class keeps its pictures; under a name that is there, two become one; a class goes
    with its last picture."""
    visitor = Visitor()
    show_and_teach(page, visitor, pictures, 2)
    assert "rings is called Wink now." in teach.rename(page, "rings", " Wink ", visitor)
    assert visitor.class_names == ("stripes", "Wink")
    assert teach.rename(page, "Wink", "  ", visitor) == teach.NAMELESS
    assert teach.rename(page, "Wink", "none of these", visitor) == teach.RESERVED
    visitor.remove(visitor.of_class("Wink")[0].path)
    probabilities = page.classify(pictures / "rings/6.jpg", visitor).probabilities
    assert probabilities is not None
    assert "Wink" not in probabilities  # one picture is too few beside the seven
    teach.rename(page, "Wink", "STRIPES", visitor)
    assert visitor.class_names == ("stripes",)
    assert visitor.count("stripes") == 3
    for picture in visitor.of_class("stripes"):
        visitor.remove(picture.path)
    assert visitor.class_names == ()
    assert visitor.support("weights") is None


def test_an_odd_picture_is_pointed_out(page: PictureClassifier, pictures: Path) -> None:
    """By its number among its class's pictures, as the page shows them."""
    visitor = Visitor()
    show_and_teach(page, visitor, pictures, 5)
    assert page.decider(visitor).odd() == []
    page.classify_frame(frame(pictures / "rings/6.jpg"), visitor)
    teach.take_picture(page, "stripes", visitor)
    (line,) = page.decider(visitor).odd()
    assert line.startswith("picture 6 of stripes is far from stripes")
    assert "near rings" in line


def test_none_of_these_is_offered_when_it_can_be_had(
    page: PictureClassifier, tmp_path: Path
) -> None:
    """Two classes are too few and it says so; with four it turns a stranger away."""
    numbers = {"a": 9, "b": 14, "c": 3, "d": 20}
    files = draw_classes(tmp_path, numbers, 8)
    visitor = Visitor()
    assert not page.decider(visitor).can_reject
    for name in numbers:
        teach.add_pictures(page, name, sorted((files / name).iterdir()), visitor)
        visitor.choose(only_mine=True, may_reject=True)
        decider = page.decider(visitor)
        assert decider.can_reject == decider.rejects == (name == "d")
        assert ("takes pictures of 4" in decider.rejection) == (name in "bc")
    Image.new("RGB", (100, 100), (255, 0, 255)).save(tmp_path / "stranger.png")
    assert page.classify(tmp_path / "stranger.png", visitor).headline.startswith("none of these")


def test_a_neutral_face_is_neutral(page: PictureClassifier, pictures: Path) -> None:
    """After one press that face is neutral, whatever it was before; taught classes stay as near."""
    visitor, face = Visitor(), frame(pictures / "rings/0.jpg")
    assert teach.take_neutral(page, visitor) == teach.NO_FACE
    before = page.classify_frame(face, visitor)
    assert not before.headline.startswith("neutral")
    teach.take_neutral(page, visitor)
    visitor.live = None  # no smoothing
    assert page.classify_frame(face, visitor).headline.startswith("neutral")
    show_and_teach(page, visitor, pictures, 3)
    file = pictures / "stripes/6.jpg"
    relative = page.classify(file, visitor).probabilities
    visitor.set_neutral(None)
    plain = page.classify(file, visitor).probabilities
    assert relative is not None
    assert plain is not None
    assert relative["stripes"] == pytest.approx(plain["stripes"])


@pytest.mark.drawn
def test_a_video_has_its_curve(page: PictureClassifier, pictures: Path, tmp_path: Path) -> None:
    """The mean over the frames decides, and the probabilities are drawn over time."""
    visitor = Visitor()
    show_and_teach(page, visitor, pictures, 5)
    frames = squares([pictures / "rings/5.jpg", pictures / "rings/6.jpg"] * 5, 112)
    film = write_film(tmp_path / "film.avi", frames, rate=5)
    result = page.classify_video(film, visitor, tmp_path / "curve.png")
    assert result.headline.startswith("rings")
    assert "a face in 10 of 10 frames" in result.headline
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.width > 600
    (tmp_path / "text.avi").write_text("no video")
    assert "damaged" in page.classify_video(tmp_path / "text.avi", visitor, tmp_path / "x").headline


def test_mistakes_of_a_visitor_are_sentences(fixed_run: Path, tmp_path: Path) -> None:
    """A text named .jpg, and a class without a name or without a readable picture."""
    run = load_run(fixed_run)
    start = Enrolment(run.support, {})
    page, visitor = PictureClassifier(run, start, Cropper(run.image_size, None)), Visitor()
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (90, 90)).save(tmp_path / "black.png")
    assert "cannot be read" in page.classify(tmp_path / "text.jpg", visitor).headline
    assert "%" in page.classify(tmp_path / "black.png", visitor).headline
    for name, files, says in (
        ("  ", [tmp_path / "black.png"], "name"),
        ("x", [], "Choose"),
        ("x", [tmp_path / "text.jpg"], "Nothing added"),
    ):
        assert says in teach.add_pictures(page, name, files, visitor)
        assert visitor.pictures == ()
    own = start.support.class_names[0]
    teach.add_pictures(page, own.upper(), [tmp_path / "black.png"], visitor)
    assert visitor.class_names == (own,)
    shares = page.classify(tmp_path / "black.png", visitor)
    assert tuple(shares.probabilities or ()) == start.support.class_names
    assert shares.faces[0].near[0].distance == pytest.approx(0, abs=1e-3)
