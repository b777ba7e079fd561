"""A face is followed over frames, and found at once where it is lost."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from fewshot_fer.data.faces.detector import (
    Face,
    FaceDetector,
    Pixels,
    landmarks,
    load_detector,
)
from fewshot_fer.data.faces.tracking import SEARCH_EVERY, Track, next_track
from fewshot_fer.inference.crops import NO_FACE, Cropper

SIZE = (240, 320)
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


class Squares:
    """Takes each square of a grey of its own for a face; counts the pictures searched as a whole.

    Squares of a few pixels are left out, as the halves that a cut leaves may be.
    """

    def __init__(self) -> None:
        self.whole = 0

    def detect(self, pictures: Sequence[Pixels]) -> list[list[Face]]:
        self.whole += sum(picture.shape[:2] == SIZE for picture in pictures)
        return [self._faces(picture) for picture in pictures]

    def _faces(self, picture: Pixels) -> list[Face]:
        faces = []
        for grey in (100, 200):
            rows, columns = np.nonzero(np.abs(picture[..., 0].astype(int) - grey) < 10)
            if len(rows) < 16:
                continue
            low = np.array([columns.min(), rows.min()], dtype=float)
            high = np.array([columns.max() + 1, rows.max() + 1], dtype=float)
            box = (low[0], low[1], high[0], high[1])
            faces.append(Face(box, 0.99, low + POINTS * (high - low)))
        return sorted(faces, key=lambda face: -face.area)


def frame(*squares: tuple[int, int, int, int]) -> Pixels:
    """Return a frame with squares: left, top, side, grey."""
    pixels = np.zeros((*SIZE, 3), dtype=np.uint8)
    for left, top, side, grey in squares:
        pixels[max(0, top) : top + side, max(0, left) : left + side] = grey
    return pixels


def follow(detector: FaceDetector, frames: Sequence[Pixels]) -> list[Track | None]:
    """Return where the face is in each frame."""
    tracks: list[Track | None] = []
    for pixels in frames:
        tracks.append(next_track(detector, pixels, tracks[-1] if tracks else None))
    return tracks


def test_a_moving_face_is_followed_where_it_goes() -> None:
    """To the frame's edge, nearer and farther; the detector sees one whole frame in five."""
    frames, boxes = [], []
    for number in range(2 * SEARCH_EVERY):
        left, side = 5 + 22 * number, 60 + 3 * number
        frames.append(frame((left, 40, side, 200)))
        boxes.append((left, 40, left + side, 40 + side))
    squares = Squares()
    tracks = follow(squares, frames)
    assert squares.whole == 2
    for track, box in zip(tracks, boxes, strict=True):
        assert track is not None
        assert track.face.box == pytest.approx(box, abs=2)
        assert track.face.points[0] == pytest.approx(
            (box[0] + 0.3 * (box[2] - box[0]), box[1] + 0.4 * (box[3] - box[1])), abs=2
        )
    assert [track.age for track in tracks if track] == [*range(SEARCH_EVERY)] * 2


def test_frames_searched_as_a_whole_give_what_the_detector_gives() -> None:
    squares = Squares()
    frames = [frame((30 + number, 50, 70, 200)) for number in range(SEARCH_EVERY + 1)]
    for pixels, track in zip(frames, follow(squares, frames), strict=True):
        assert track is not None
        if track.age == 0:
            ((face,),) = Squares().detect([pixels])
            assert track.face.box == face.box
            np.testing.assert_array_equal(track.face.points, face.points)


def test_a_lost_face_is_found_elsewhere_in_the_same_frame_or_gone() -> None:
    squares = Squares()
    here, there = frame((10, 10, 60, 200)), frame((240, 160, 60, 200))
    tracks = follow(squares, [here, there, frame(), frame(), here])
    assert [track and round(track.face.box[0]) for track in tracks] == [10, 240, None, None, 10]
    assert squares.whole == 5


def test_of_two_faces_side_by_side_the_same_one_is_followed() -> None:
    """The second becomes the larger one meanwhile: it is taken with the next search of all."""
    frames = [
        frame((40, 60, 60, 200), (110, 60, 50 + 5 * number, 100))
        for number in range(SEARCH_EVERY + 1)
    ]
    lefts = [track and round(track.face.box[0]) for track in follow(Squares(), frames)]
    assert lefts == pytest.approx([40] * SEARCH_EVERY + [110], abs=1)


def test_another_size_of_frame_is_searched_as_a_whole() -> None:
    """A camera that is turned, or another one."""
    (first,) = follow(Squares(), [frame((40, 60, 60, 200))])
    turned = np.ascontiguousarray(frame((40, 60, 60, 200)).transpose(1, 0, 2))
    track = next_track(Squares(), turned, first)
    assert track is not None
    assert track.age == 0


def test_a_face_that_left_the_frame_is_no_error() -> None:
    outside = Face((-90.0, -90.0, -30.0, -30.0), 0.99, POINTS)
    assert next_track(Squares(), frame(), Track(outside, SIZE)) is None


def test_a_real_face_keeps_its_points() -> None:
    """Eyes and mouth lie within a tenth of the eyes' distance from where a search of all puts
    them; crops of frames that are searched are those of pictures."""
    pytest.importorskip("facenet_pytorch")
    from skimage import data

    picture = Image.fromarray(data.astronaut()).crop((60, 0, 460, 300)).resize((480, 360))
    frames = [
        np.asarray(picture.rotate(2 * number, translate=(9 * number, 4 * number)))
        for number in range(SEARCH_EVERY + 1)
    ]
    detector = load_detector()
    for pixels, track in zip(frames, follow(detector, frames), strict=True):
        assert track is not None
        face = detector.detect([pixels])[0][0]
        away = np.abs(landmarks(track.face.points) - landmarks(face.points)).max()
        assert away <= (0.1 * face.between_eyes if track.age else 0)
    crop, track = Cropper(100, detector).camera(frames[0], None)
    assert crop.status != NO_FACE
    assert track is not None
    blank, lost = Cropper(100, detector).camera(np.zeros_like(frames[0]), track)
    assert (blank.status, lost) == (NO_FACE, None)
