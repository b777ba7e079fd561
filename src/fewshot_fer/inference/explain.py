"""Why: each face beside the support images that lie nearest to it, as pages of rows."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from fewshot_fer.data.decode import decode
from fewshot_fer.inference.draw import KNOWN, UNKNOWN, for_drawing, save_picture
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.figures import font_for

ROWS = 10  # faces on a page
TILE, GAP, TEXT, HEAD = 104, 12, 14, 40  # pixels: a picture's side, between them, letters, heading
FACTS = 230  # pixels across that the facts about a face take
INK, PALE, MISSING = (34, 34, 34), (110, 110, 110), (225, 225, 225)


@dataclass(frozen=True)
class Neighbour:
    """A support image near a face. picture: [3, side, side], None where it is not there any more;
    distance: Euclidean, between the embeddings."""

    label: str
    distance: float
    picture: Pixels | None


@dataclass(frozen=True)
class Explained:
    """A face, what it was taken for, and the support images nearest to it, nearest first."""

    name: str
    label: str
    probability: float
    known: bool
    crop: Pixels
    neighbours: Sequence[Neighbour]


class SupportPictures:
    """The pictures of a support: crops that are at hand, or their files decoded when needed."""

    def __init__(self, crops: dict[str, Pixels]) -> None:
        self._crops = crops

    def picture(self, path: str) -> Pixels | None:
        """Return [3, side, side], or None where the file is gone."""
        return self._crops[path] if path in self._crops else _decoded(path)


@functools.lru_cache(maxsize=2000)
def _decoded(path: str) -> Pixels | None:
    try:
        return decode(path, TILE)
    except DataError:
        return None


class Pages:
    """Writes rows to explained_0001.jpg, explained_0002.jpg, ... as pages fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: list[Explained] = []
        self.written = 0

    def add(self, faces: Sequence[Explained]) -> None:
        """Take in faces; write the pages that they fill."""
        self._waiting += faces
        while len(self._waiting) >= ROWS:
            self._write(self._waiting[:ROWS])
            del self._waiting[:ROWS]

    def finish(self) -> None:
        """Write what is left as the last page."""
        if self._waiting:
            self._write(self._waiting)
            self._waiting = []

    def _write(self, faces: Sequence[Explained]) -> None:
        self.written += 1
        path = self.folder / f"explained_{self.written:04}.jpg"
        save_picture(draw_page(faces), path)


def draw_page(faces: Sequence[Explained]) -> Image.Image:
    """Return a page: a row a face, its own picture, the facts, and its neighbours."""
    most = max((len(face.neighbours) for face in faces), default=0)
    row_height = TILE + 3 * TEXT + 2 * GAP
    width = GAP + TILE + GAP + FACTS + most * (TILE + GAP) + GAP
    page = Image.new("RGB", (width, HEAD + row_height * len(faces)), "white")
    draw = ImageDraw.Draw(page)
    _write_text(draw, (GAP, HEAD / 2), "face", PALE, FACTS)
    left = GAP + TILE + GAP + FACTS
    _write_text(draw, (left, HEAD / 2), "nearest support images, and their distance", PALE, width)
    for number, face in enumerate(faces):
        top = HEAD + number * row_height
        draw.line((0, top, width, top), fill=MISSING)
        _draw_row(page, draw, top + GAP, face)
    return page


def _draw_row(page: Image.Image, draw: ImageDraw.ImageDraw, top: int, face: Explained) -> None:
    page.paste(_tile(face.crop), (GAP, top))
    left, colour = GAP + TILE + GAP, KNOWN if face.known else UNKNOWN
    lines = ((face.label, colour), (f"{100 * face.probability:.1f} %", INK), (face.name, PALE))
    for place, (text, ink) in enumerate(lines):
        _write_text(draw, (left, top + TEXT + place * 1.7 * TEXT), text, ink, FACTS - GAP)
    left += FACTS
    for place, near in enumerate(face.neighbours):
        x = left + place * (TILE + GAP)
        page.paste(_tile(near.picture), (x, top))
        same = near.label == face.label
        _write_text(draw, (x, top + TILE + TEXT * 0.9), near.label, KNOWN if same else INK, TILE)
        far = f"{near.distance:.2f}"
        _write_text(draw, (x, top + TILE + TEXT * 2.2), far, PALE, TILE, TEXT - 2)


def _tile(pixels: Pixels | None) -> Image.Image:
    if pixels is None:
        tile = Image.new("RGB", (TILE, TILE), MISSING)
        _write_text(ImageDraw.Draw(tile), (8, TILE / 2), "file is gone", PALE, TILE, TEXT - 2)
        return tile
    picture = Image.fromarray(for_drawing(pixels))
    return picture.resize((TILE, TILE), Image.Resampling.BICUBIC)


def _write_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
    room: float,
    size: int = TEXT,
) -> None:
    """Write text, its middle left at `place`, shortened to `room` pixels."""
    font = font_for(text, size)
    shown = text
    while len(shown) > 2 and font.getlength(shown) > room:
        shown = shown[: len(shown) - 2] + "…"
    draw.text(place, shown, colour, font=font, anchor="lm")
