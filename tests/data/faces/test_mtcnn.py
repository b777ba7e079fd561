"""The search for faces is that of the package which its weights are from."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from fewshot_fer.data.faces.mtcnn import Cascade


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Photographs of no, one and four faces of one size, turned, mirrored, and texture."""
    from skimage import data

    face = data.astronaut()
    turned = np.asarray(Image.fromarray(face).rotate(10))
    rows = [np.concatenate([face, turned], 1), np.concatenate([face[:, ::-1], face], 1)]
    group = np.asarray(Image.fromarray(np.concatenate(rows)).resize((512, 512)))
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    texture = np.asarray(Image.fromarray(noise).resize((512, 512), Image.Resampling.BICUBIC))
    return np.stack([face, group, turned, np.zeros_like(face), texture])


@pytest.mark.parametrize("together", [1, 5])
def test_boxes_scores_and_points_equal_the_reference(pictures: np.ndarray, together: int) -> None:
    """To the last digit, a picture alone and five at once."""
    reference = pytest.importorskip("facenet_pytorch").MTCNN(
        keep_all=True, min_face_size=20, post_process=False
    )
    own, counts = Cascade(20, torch.device("cpu")), []
    for start in range(0, len(pictures), together):
        block = pictures[start : start + together]
        theirs = zip(*reference.eval().detect(block, landmarks=True), strict=True)
        for (boxes, points), (their_boxes, scores, their_points) in zip(
            own.search(block), theirs, strict=True
        ):
            counts.append(len(boxes))
            assert len(boxes) == (0 if their_boxes is None else len(their_boxes))
            if their_boxes is None:
                continue
            sides = boxes[:, 2:4] - boxes[:, :2]
            order = np.argsort(sides[:, 0] * sides[:, 1])[::-1]
            np.testing.assert_array_equal(boxes[order, :4], their_boxes)
            np.testing.assert_array_equal(boxes[order, 4], scores)
            np.testing.assert_array_equal(points[order], their_points)
    assert counts[:4] == [1, 4, 1, 0]


def test_finding_faces_imports_no_torchvision() -> None:
    """It takes as long as torch itself."""
    pytest.importorskip("facenet_pytorch")
    code = (
        "import sys; from fewshot_fer.data.faces.detector import load_detector; load_detector();"
        "print({'torchvision', 'facenet_pytorch'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
