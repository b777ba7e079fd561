"""Photographs: a row a face, a status where there is none, and supports made from photographs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, assert_one_line
from numpy.typing import NDArray
from PIL import Image
from typed_predict import table_of

from fewshot_fer.data.faces.detector import Face
from fewshot_fer.inference import predict_inputs as prediction
from fewshot_fer.system.errors import ConfigError

Pixels = NDArray[np.uint8]
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


class SquareFinder:
    """Takes each bright square for a face: left half of a picture first, then the right half."""

    def detect(self, pictures: Sequence[Pixels]) -> list[list[Face]]:
        return [self._faces(picture) for picture in pictures]

    def _faces(self, picture: Pixels) -> list[Face]:
        middle = picture.shape[1] // 2
        halves = ((picture[:, :middle], 0), (picture[:, middle:], middle))
        faces = [face for half, left in halves for face in self._face(half, left)]
        return sorted(faces, key=lambda face: face.box[0] - face.box[2])

    def _face(self, half: Pixels, left: int) -> list[Face]:
        rows, columns = np.nonzero(half.max(axis=2) > 60)
        if not len(rows):
            return []
        x0, y0 = float(columns.min() + left), float(rows.min())
        x1, y1 = float(columns.max() + 1 + left), float(rows.max() + 1)
        points = np.array([x0, y0]) + POINTS * np.array([x1 - x0, y1 - y0])
        return [Face((x0, y0, x1, y1), 0.99, points)]


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the finder of squares in the place of the detector."""
    monkeypatch.setattr(prediction, "load_detector", lambda device: SquareFinder())


def photograph(path: Path, *squares: tuple[int, int, int], colour: tuple[int, ...] = (200, 150, 120)
               ) -> Path:  # fmt: skip
    """Write a dark picture of 160x80 pixels with bright squares: x, y, side."""
    pixels = np.zeros((80, 160, 3), np.uint8)
    for x, y, side in squares:
        pixels[y : y + side, x : x + side] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
    return path


@pytest.mark.usefixtures("finder")
def test_several_faces_no_face_and_no_picture(
    command: Command, fixed_run: Path, tmp_path: Path
) -> None:
    """A row a face, largest first, with boxes in pixels of the upright picture; else a status."""
    photograph(tmp_path / "party/1.png", (10, 20, 30), (100, 15, 50))
    photograph(tmp_path / "party/2.png")
    (tmp_path / "party/3.jpg").write_text("no picture")
    upright = Image.open(photograph(tmp_path / "party/4.png", (20, 10, 40)))
    turned = Image.Exif()
    turned[274] = 6  # to be turned by 90 degrees when shown
    upright.rotate(90, expand=True).save(tmp_path / "party/5.png", exif=turned)
    outcome = command("predict", f"run={fixed_run}", "images=party", "draw=true", "explain=2")
    table = table_of(outcome)
    names = ("1.png", "1.png", "2.png", "3.jpg", "4.png", "5.png")
    assert table["file"].tolist() == [f"party/{name}" for name in names]
    assert table["status"].tolist() == ["ok", "ok", "no_face", "unreadable", "ok", "ok"]
    boxes = table[["x0", "y0", "x1", "y1"]].to_numpy().tolist()
    assert [float(edge) for edge in boxes[0]] == [100, 15, 150, 65]
    assert [float(edge) for edge in boxes[1]] == [10, 20, 40, 50]
    assert boxes[2] == boxes[3] == [""] * 4
    columns = ["x0", "y0", "x1", "y1", "label", "probability", "distance"]
    assert table.loc[4, columns].tolist() == table.loc[5, columns].tolist()
    drawn = sorted(path.name for path in (outcome.folder / "drawn").iterdir())
    assert drawn == ["1.jpg", "2.jpg", "4.jpg", "5.jpg"]
    with Image.open(outcome.folder / "drawn/5.jpg") as picture:
        assert picture.size == (160, 80)


@pytest.mark.usefixtures("finder")
def test_a_support_of_photographs(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """The largest face of each photograph is enrolled; one without is left out with a warning."""
    for name, colour in (("red", (250, 20, 20)), ("blue", (20, 20, 250))):
        for number in range(3):
            square = (5 + 3 * number, 10, 40)
            photograph(tmp_path / f"mine/{name}/{number}.png", square, colour=colour)
        photograph(tmp_path / f"photos/{name}.png", (60, 10, 15), (100, 30, 45), colour=colour)
    photograph(tmp_path / "mine/red/9.png")
    words = (f"run={fixed_run}", "images=photos", "support=mine")
    outcome = command("predict", *words)
    assert table_of(outcome)["label"].tolist() == ["blue", "blue", "red", "red"]
    assert outcome.err.count("9.png") == 1
    photograph(tmp_path / "mine/green/1.png")
    assert_one_line(command("predict", *words), "class green")


def test_without_the_extra(
    command: Command, fixed_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what to install, and that crops need no detector."""

    def missing(device: object) -> None:
        raise ConfigError("finding faces needs pip install 'fewshot_fer[face]'")

    monkeypatch.setattr(prediction, "load_detector", missing)
    photograph(tmp_path / "a.png", (20, 10, 40))
    outcome = command("predict", f"run={fixed_run}", "images=a.png")
    assert_one_line(outcome, "pip install 'fewshot_fer[face]'")
    assert "align=false" in outcome.err
    table_of(command("predict", f"run={fixed_run}", "images=a.png", "align=false"))


def test_a_real_photograph(command: Command, fixed_run: Path, tmp_path: Path) -> None:
    """The astronaut's face is found by the detector that is installed; coffee has none."""
    pytest.importorskip("facenet_pytorch")
    pictures = pytest.importorskip("skimage.data")
    Image.fromarray(pictures.astronaut()).save(tmp_path / "astronaut.png")
    Image.fromarray(pictures.coffee()).save(tmp_path / "coffee.png")
    table = table_of(command("predict", f"run={fixed_run}", "images=astronaut.png,coffee.png"))
    assert table["status"].tolist() == ["ok", "no_face"]
    x0, y0, x1, y1 = table.loc[0, ["x0", "y0", "x1", "y1"]].astype(float)
    assert x0 < 224 < x1  # the middle between her eyes and her mouth
    assert y0 < 120 < y1
