"""Any number of crops to embeddings, in batches that fit the memory.

From shots to the crops that an encoder is given: faces found and aligned, or as they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fewshot_fer.data.decode import decode, read_picture
from fewshot_fer.data.faces.alignment import align
from fewshot_fer.data.faces.detector import FaceDetector
from fewshot_fer.evaluation.embedder import BATCH_PIXELS
from fewshot_fer.inference.inputs import Pixels, Shot, read_pictures, read_video
from fewshot_fer.runs.load import LoadedRun


@torch.inference_mode()
def embed_crops(run: LoadedRun, crops: NDArray[np.uint8]) -> Tensor:
    """Return embeddings [B, D] of crops [B, 3, S, S], on the encoder's device."""
    device = run.embedder.device
    batch = max(1, BATCH_PIXELS[device.type] // run.image_size**2)
    return torch.cat(
        [
            run.embed(torch.from_numpy(crops[start : start + batch]).to(device))
            for start in range(0, len(crops), batch)
        ]
    )


OK, NO_FACE, UNREADABLE = "ok", "no_face", "unreadable"
ALIGNED = 100  # pixels a side of RAF-DB's aligned faces
CROPS_AT_A_TIME = 256
PHOTOGRAPHS_AT_A_TIME = 16  # of some 36 MB each, and frames of a video
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Crop:
    """A face, or what is said in the place of one.

    shot: where it is from; face: its number in the picture, the largest is 0; box: x0, y0, x1, y1
    in pixels of the picture, None where none was looked for; pixels: [3, S, S] if status is ok.
    """

    shot: Shot
    face: int | None = None
    box: Box | None = None
    pixels: Pixels | None = None
    status: str = OK
    reason: str = ""


@dataclass(frozen=True)
class Cropping:
    """How files become crops of image_size pixels a side: with a detector, faces are found and
    aligned; without, each picture and each frame is a crop already."""

    image_size: int
    detector: FaceDetector | None

    def pictures(self, files: Sequence[Path]) -> Iterator[list[Crop]]:
        """Yield the crops of the files in order, block by block; none of a file is split off."""
        if self.detector is None:
            read = partial(decode, image_size=self.image_size)
            blocks = read_pictures(files, read, CROPS_AT_A_TIME)
        else:
            blocks = read_pictures(files, read_picture, PHOTOGRAPHS_AT_A_TIME)
        for shots in blocks:
            yield self._crops(shots)

    def video(self, file: Path, fps: float | None) -> Iterator[list[Crop]]:
        """Yield the crops of a video's frames in order, block by block."""
        for shots in read_video(file, fps, PHOTOGRAPHS_AT_A_TIME):
            yield self._crops(shots)

    def _crops(self, shots: Sequence[Shot]) -> list[Crop]:
        if self.detector is None:
            return crops_as_they_are(shots, self.image_size)
        return find_crops(shots, self.detector, self.image_size)


def crops_as_they_are(shots: Sequence[Shot], image_size: int) -> list[Crop]:
    """Return one crop a shot: [3, S, S] is taken as it is, a frame's largest centred square."""
    return [_whole(shot, image_size) for shot in shots]


def find_crops(shots: Sequence[Shot], detector: FaceDetector, image_size: int) -> list[Crop]:
    """Return the faces of every shot, largest first, aligned as RAF-DB's are; or one crop that says
    no_face or unreadable. Shots [H, W, 3] may differ in size."""
    readable = [shot.pixels for shot in shots if shot.pixels is not None]
    found = iter(detector.detect(readable) if readable else [])
    crops: list[Crop] = []
    for shot in shots:
        if shot.pixels is None:
            crops.append(Crop(shot, status=UNREADABLE, reason=shot.reason))
            continue
        faces = next(found)
        if not faces:
            crops.append(Crop(shot, status=NO_FACE, reason="no face found"))
        for number, face in enumerate(faces):
            pixels = as_input(align(shot.pixels, face.points, ALIGNED), image_size)
            crops.append(Crop(shot, number, _plain(face.box), pixels))
    return crops


def as_input(picture: Pixels, image_size: int) -> Pixels:
    """Return [3, S, S] of a picture [H, W, 3]: what `data.decode` makes of a file that holds it."""
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    square = Image.fromarray(picture[top : top + side, left : left + side])
    if square.size != (image_size, image_size):
        square = square.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def _whole(shot: Shot, image_size: int) -> Crop:
    if shot.pixels is None:
        return Crop(shot, status=UNREADABLE, reason=shot.reason)
    is_crop = shot.frame is None  # a picture was decoded to [3, S, S] already
    return Crop(shot, 0, pixels=shot.pixels if is_crop else as_input(shot.pixels, image_size))


def _plain(box: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (round(float(edge), 1) for edge in box)
    return x0, y0, x1, y1
