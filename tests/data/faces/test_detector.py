"""Faces are found in photographs and laid out as RAF-DB's are."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fewshot_fer.data.faces.detector import (
    TARGET,
    FaceDetector,
    align,
    landmarks,
    load_detector,
    similarity,
)
from fewshot_fer.system.errors import ConfigError

POINTS = np.array([[40.0, 50], [80, 50], [60, 70], [45, 90], [75, 90]])
angles, scales, shifts = st.floats(-3, 3), st.floats(0.05, 20), st.floats(-300, 300)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_detector()


def astronaut() -> np.ndarray:
    from skimage import data

    picture: np.ndarray = data.astronaut()
    return picture


def test_eyes_and_mouth_of_a_photograph_come_where_they_belong(detector: FaceDetector) -> None:
    """The aligned face is searched again: eyes and mouth lie within 3 pixels of RAF-DB's places."""
    picture = astronaut()
    ((face,),) = detector.detect([picture])
    aligned = align(picture, face.points)
    assert aligned.shape == (100, 100, 3)
    framed = np.pad(
        np.asarray(Image.fromarray(aligned).resize((300, 300))),
        ((90, 90), (90, 90), (0, 0)),
        "edge",
    )
    ((again,),) = detector.detect([framed])
    found = (landmarks(again.points) - 90) / 3
    assert np.abs(found - TARGET * 100).max() < 3
    laid_out = np.column_stack([landmarks(face.points), np.ones(3)])
    moved = laid_out @ similarity(landmarks(face.points), TARGET * 100)[:2].T
    assert np.abs(moved - TARGET * 100).max() < 3


def test_a_turned_and_enlarged_photograph_gives_the_same_face(detector: FaceDetector) -> None:
    """Alignment undoes turn and size, and large faces are shrunk without aliasing."""
    picture = astronaut()
    turned = Image.fromarray(picture).resize((1536, 1536)).rotate(12, Image.Resampling.BICUBIC)
    one, other = (detector.detect([each])[0][0] for each in (picture, np.asarray(turned)))
    assert other.area > 4 * one.area
    straight = align(picture, one.points).astype(float)
    undone = align(np.asarray(turned), other.points).astype(float)
    inner = np.s_[15:90, 15:85]
    assert np.abs(straight[inner] - undone[inner]).mean() < 10


def test_pictures_of_many_sizes_keep_their_order(detector: FaceDetector) -> None:
    """Each gets its own faces, the largest first; one without a face gets none."""
    face, blank = astronaut()[30:200, 140:310], np.full((170, 170, 3), 90, dtype=np.uint8)
    small = np.asarray(Image.fromarray(face).resize((110, 110)))
    both = np.concatenate([np.pad(small, ((30, 30), (30, 30), (0, 0)), "edge"), face], axis=1)
    found = detector.detect([blank, face, np.zeros((5, 400, 3), np.uint8), both, face])
    assert [len(faces) for faces in found] == [0, 1, 0, 2, 1]
    assert found[3][0].area > found[3][1].area
    assert found[3][0].box[0] > 170
    assert found[1][0].box == pytest.approx(found[4][0].box)


@given(angles, scales, shifts, shifts)
def test_a_similarity_is_found_again(angle: float, scale: float, x: float, y: float) -> None:
    """Turn, scale and shift of points that fit exactly come out as they went in."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = landmarks(POINTS)
    found = similarity(source, source @ turn.T + [x, y])
    np.testing.assert_allclose(found[:2, :2], turn, atol=1e-6 * scale)
    np.testing.assert_allclose(found[:2, 2], [x, y], atol=1e-6 * (1 + scale) * 100)


@settings(deadline=None, max_examples=60)
@given(angles, st.floats(0.02, 8), st.floats(-150, 150), st.floats(-150, 150))
def test_any_points_give_a_face_of_the_right_size(
    angle: float, scale: float, x: float, y: float
) -> None:
    """Far outside the picture, tiny, upside down: never an error, and never a colour of its own."""
    picture = np.full((60, 90, 3), (10, 200, 30), dtype=np.uint8)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    aligned = align(picture, POINTS @ turn.T + [x, y])
    assert aligned.shape == (100, 100, 3)
    assert (aligned == picture[0, 0]).all()


def test_points_that_fall_together_give_a_picture_too() -> None:
    """A detector can give one place for both eyes and mouth."""
    assert align(np.zeros((50, 50, 3), np.uint8), np.full((5, 2), 25.0)).shape == (100, 100, 3)


def test_a_missing_extra_names_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installed the core alone is told what else it takes."""
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    with pytest.raises(ConfigError, match=r"pip install 'fewshot_fer\[face\]'"):
        load_detector()


def test_the_whole_way_from_a_file(tmp_path: Path, detector: FaceDetector) -> None:
    """A photograph that EXIF says is turned is set upright before a face is looked for."""
    from fewshot_fer.data.decode import read_picture

    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(astronaut()).rotate(180).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert len(detector.detect([read_picture(tmp_path / "a.jpg")])[0]) == 1
