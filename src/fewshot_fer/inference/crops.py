"""Make the crops that an encoder is given: faces found and aligned, or pictures as they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from fewshot_fer.data.decode import decode, read_picture, square_pixels
from fewshot_fer.data.faces.alignment import align
from fewshot_fer.data.faces.detector import FaceDetector
from fewshot_fer.inference.inputs import Pixels, SourceImage, read_pictures, read_video

OK, NO_FACE, UNREADABLE = "ok", "no_face", "unreadable"
ALIGNED = 100  # pixels a side of RAF-DB's aligned faces
CROPS_AT_A_TIME = 256
PHOTOGRAPHS_AT_A_TIME = 16  # of some 36 MB each, and frames of a video
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Crop:
    """A face in a picture or frame, or the status of one in which there is none.

    source: where it is from; face: its number in the picture, the largest is 0; box: x0, y0, x1, y1
    in pixels of the picture, None where none was looked for; pixels: [3, S, S] if status is ok.
    """

    source: SourceImage
    face: int | None = None
    box: Box | None = None
    pixels: Pixels | None = None
    status: str = OK
    reason: str = ""


@dataclass(frozen=True)
class Cropper:
    """Crops files to image_size pixels a side.

    With a detector, faces are found and aligned; without, each picture and each frame is a crop
    already.
    """

    image_size: int
    detector: FaceDetector | None

    def pictures(self, files: Sequence[Path]) -> Iterator[list[Crop]]:
        """Yield the crops of the files in order, block by block; those of a file stay together."""
        if self.detector is None:
            read = partial(decode, image_size=self.image_size)
            blocks = read_pictures(files, read, CROPS_AT_A_TIME)
        else:
            blocks = read_pictures(files, read_picture, PHOTOGRAPHS_AT_A_TIME)
        for sources in blocks:
            yield self._crops(sources)

    def video(self, file: Path, fps: float | None) -> Iterator[list[Crop]]:
        """Yield the crops of a video's frames in order, block by block."""
        for sources in read_video(file, fps, PHOTOGRAPHS_AT_A_TIME):
            yield self._crops(sources)

    def _crops(self, sources: Sequence[SourceImage]) -> list[Crop]:
        if self.detector is None:
            return [self._whole(source) for source in sources]
        readable = [source.pixels for source in sources if source.pixels is not None]
        found = iter(self.detector.detect(readable) if readable else [])
        crops: list[Crop] = []
        for source in sources:
            if source.pixels is None:
                crops.append(Crop(source, status=UNREADABLE, reason=source.reason))
                continue
            faces = next(found)  # largest first
            if not faces:
                crops.append(Crop(source, status=NO_FACE, reason="no face found"))
            for number, face in enumerate(faces):
                aligned = align(source.pixels, face.points, ALIGNED)
                crops.append(Crop(source, number, _rounded(face.box), self._square(aligned)))
        return crops

    def _whole(self, source: SourceImage) -> Crop:
        if source.pixels is None:
            return Crop(source, status=UNREADABLE, reason=source.reason)
        is_square = source.frame is None  # `decode` made [3, S, S] of a picture
        return Crop(source, 0, pixels=source.pixels if is_square else self._square(source.pixels))

    def _square(self, pixels: Pixels) -> Pixels:
        return square_pixels(Image.fromarray(pixels), self.image_size)


def _rounded(box: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (round(float(edge), 1) for edge in box)
    return x0, y0, x1, y1
