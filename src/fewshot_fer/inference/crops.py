"""Make the crops that an encoder is given, and draw a box with its caption around each face.

Faces are found and aligned, or pictures are taken as they are.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fewshot_fer.data.decode import decode, read_picture, square_pixels
from fewshot_fer.data.faces.detector import Face, FaceDetector, align
from fewshot_fer.data.faces.tracking import Track, next_track
from fewshot_fer.inference.inputs import Pixels, SourceImage, read_pictures, read_video
from fewshot_fer.system.figures import font_for
from fewshot_fer.system.files import atomic, writing

OK, NO_FACE, UNREADABLE = "ok", "no_face", "unreadable"
MISSING = "no face found"
ALIGNED = 100  # pixels a side of RAF-DB's aligned faces
CROPS_AT_A_TIME = 256
PHOTOGRAPHS_AT_A_TIME = 16  # of some 36 MB each, and frames of a video
Box = tuple[float, float, float, float]
LONGEST = 1600  # pixels; larger photographs are shrunk, a drawing is to be looked at
KNOWN, UNKNOWN, NOTE, PAPER = (0, 158, 115), (213, 94, 0), (110, 110, 110), (255, 255, 255)
SMALLEST_TEXT, LARGEST_TEXT = 11, 30  # pixels


@dataclass(frozen=True)
class Crop:
    """A face in a picture or frame, or the status of one in which there is none.

    source: where it is from; face: its number in the picture, the largest is 0; box: x0, y0, x1, y1
    in pixels of the picture, None where none was looked for; pixels: [3, S, S] if status is ok;
    reason: why not ok, or what makes a face hard to read.
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

    With a detector, faces are found and aligned; without, each picture and frame is a crop.
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

    def of_pixels(self, pictures: Sequence[SourceImage]) -> list[Crop]:
        """Return the crops of pictures that are read already: [H, W, 3], `frame` not None."""
        return [
            crop
            for start in range(0, len(pictures), PHOTOGRAPHS_AT_A_TIME)
            for crop in self._crops(pictures[start : start + PHOTOGRAPHS_AT_A_TIME])
        ]

    def camera(self, pixels: Pixels, last: Track | None) -> tuple[Crop, Track | None]:
        """Return the crop of the largest face of a camera's frame [H, W, 3], and where it is.

        last: where it was in the frame before, None where that is not known.
        """
        source = SourceImage(Path("camera"), pixels, frame=0)
        if self.detector is None:
            return self._whole(source), None
        track = next_track(self.detector, pixels, last)
        if track is None:
            return Crop(source, status=NO_FACE, reason=MISSING), None
        return self._aligned(source, pixels, 0, track.face), track

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
                crops.append(Crop(source, status=NO_FACE, reason=MISSING))
            for number, face in enumerate(faces):
                crops.append(self._aligned(source, source.pixels, number, face))
        return crops

    def _aligned(self, source: SourceImage, pixels: Pixels, number: int, face: Face) -> Crop:
        square = self._square(align(pixels, face.points, ALIGNED))
        return Crop(source, number, _rounded(face.box), square, reason=face.remark)

    def _whole(self, source: SourceImage) -> Crop:
        if source.pixels is None:
            return Crop(source, status=UNREADABLE, reason=source.reason)
        is_square = source.frame is None  # `decode` made [3, S, S] of a picture
        return Crop(source, 0, pixels=source.pixels if is_square else self._square(source.pixels))

    def _square(self, pixels: Pixels) -> Pixels:
        return square_pixels(Image.fromarray(pixels), self.image_size)


def draw_boxes(
    picture: Pixels, boxes: Sequence[Box | None], captions: Sequence[str], known: Sequence[bool]
) -> Image.Image:
    """Return the picture [H, W, 3] with boxes and captions, at most LONGEST pixels a side.

    A box that is None stands for a picture that is a crop itself: its caption comes below it.
    """
    canvas = Image.fromarray(picture)
    scale = min(1.0, LONGEST / max(canvas.size))
    if scale < 1:
        size = (max(1, round(canvas.width * scale)), max(1, round(canvas.height * scale)))
        canvas = canvas.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    for box, caption, is_known in zip(boxes, captions, known, strict=True):
        if box is None:
            canvas = _captioned(canvas, caption, KNOWN if is_known else UNKNOWN)
        else:
            scaled = tuple(edge * scale for edge in box)
            _box(canvas, scaled, caption, KNOWN if is_known else UNKNOWN)
    return canvas


def draw_note(picture: Pixels, text: str) -> Image.Image:
    """Return a picture with a note in the place of faces."""
    canvas = draw_boxes(picture, [], [], [])
    _box(canvas, (0.0, 0.0, canvas.width / 4, 0.0), text, NOTE)
    return canvas


def for_drawing(crop: Pixels) -> Pixels:
    """Return a crop [3, S, S] as a picture [S, S, 3]."""
    return np.ascontiguousarray(crop.transpose(1, 2, 0))


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a .jpg; a .png would take ten times as long. Raises WriteError."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:  # without subsampling, so that letters stay sharp
        picture.save(partial, format="JPEG", quality=90, subsampling=0)


class FileNames:
    """Gives each file a name that no other has: without its ending, with a number if taken."""

    def __init__(self) -> None:
        self._names: dict[Path, str] = {}
        self._taken: set[str] = set()

    def of(self, file: Path) -> str:
        """Return the name of a file, always the same one."""
        if file not in self._names:
            name, numbers = file.stem, itertools.count(2)
            while name.casefold() in self._taken:  # some disks do not tell upper case from lower
                name = f"{file.stem}_{next(numbers)}"
            self._names[file] = name
            self._taken.add(name.casefold())
        return self._names[file]


def _rounded(box: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (round(float(edge), 1) for edge in box)
    return x0, y0, x1, y1


def _box(
    canvas: Image.Image, box: tuple[float, ...], caption: str, colour: tuple[int, int, int]
) -> None:
    """Draw a box with its caption above it or, where there is no room, within it."""
    draw = ImageDraw.Draw(canvas)
    x0, y0, x1, y1 = box
    line = max(1, round(max(canvas.size) / 250))
    draw.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=colour, width=line)
    size = _text_size(x1 - x0, caption, canvas.width)
    font = font_for(caption, size)
    width = draw.textlength(caption, font=font) + size * 0.6
    height = size * 1.35
    left = min(max(0.0, x0), max(0.0, canvas.width - width))
    top = y0 - height if y0 >= height else max(0.0, y0)
    draw.rectangle((left, top, left + width, top + height), fill=colour)
    draw.text((left + size * 0.3, top + height / 2), caption, PAPER, font=font, anchor="lm")


def _captioned(canvas: Image.Image, caption: str, colour: tuple[int, int, int]) -> Image.Image:
    """Return a crop on a strip that holds its caption, enlarged so that both can be read."""
    factor = max(1, round(240 / max(canvas.size)))
    canvas = canvas.resize(
        (canvas.width * factor, canvas.height * factor), Image.Resampling.BICUBIC
    )
    size = _text_size(canvas.width, caption, canvas.width)
    font = font_for(caption, size)
    width = max(canvas.width, round(font.getlength(caption) + size))
    strip = round(size * 1.6)
    paper = Image.new("RGB", (width, canvas.height + strip), colour)
    paper.paste(canvas, ((width - canvas.width) // 2, 0))
    middle = (width / 2, canvas.height + strip / 2)
    ImageDraw.Draw(paper).text(middle, caption, PAPER, font=font, anchor="mm")
    return paper


def _text_size(box_width: float, caption: str, width: int) -> int:
    """Return a height of letters that suits the box and fits the picture."""
    size = round(min(max(SMALLEST_TEXT, box_width / 8), LARGEST_TEXT))
    while size > SMALLEST_TEXT and font_for(caption, size).getlength(caption) > 0.95 * width:
        size -= 1
    return size
