"""Draw pages that show each face beside the support pictures nearest to it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from fewshot_fer.data.decode import decode
from fewshot_fer.inference.classifier import NONE
from fewshot_fer.inference.crops import KNOWN, UNKNOWN, Crop, for_drawing, save_picture
from fewshot_fer.inference.inputs import Pixels, SourceImage, printable
from fewshot_fer.inference.tables import Row
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.figures import font_for

ROWS = 10  # faces on a page
TILE, GAP, TEXT, HEAD = 104, 12, 14, 40  # pixels: a picture's side, between them, letters, heading
FACTS = 230  # pixels across that the facts about a face take
Face = tuple[Crop, Row]  # and its row of predictions.csv, with `nearest`
INK, PALE, MISSING = (34, 34, 34), (110, 110, 110), (225, 225, 225)


class TextStyle(NamedTuple):
    """The colour of letters, how many pixels across there is room for, and their height."""

    colour: tuple[int, int, int]
    room: float
    size: int = TEXT


SMALL = TextStyle(PALE, TILE, TEXT - 2)


def support_picture(path: str, crops: Mapping[str, Pixels]) -> Pixels | None:
    """Return [3, side, side] of a picture of a support, or None where its file is gone.

    crops: those of an enrolment; of a picture that is not among them, the file is decoded.
    """
    return crops[path] if path in crops else _decoded(path)


@functools.lru_cache(maxsize=2000)
def _decoded(path: str) -> Pixels | None:
    try:
        return decode(path, TILE)
    except DataError:
        return None


class Pages:
    """Writes faces to explained_0001.jpg, explained_0002.jpg, ... as pages fill.

    support_crops: those of an enrolment, by path.
    """

    def __init__(self, folder: Path, support_crops: Mapping[str, Pixels]) -> None:
        self.folder = folder
        self.support_crops = support_crops
        self._waiting: list[Face] = []
        self.written = 0

    def add(self, faces: Sequence[Face]) -> None:
        """Add crops with their rows of predictions.csv; write the pages that they fill."""
        for crop, row in faces:
            source = SourceImage(crop.source.file, seconds=crop.source.seconds)
            self._waiting.append((replace(crop, source=source), row))  # without the photograph
        while len(self._waiting) >= ROWS:
            self._write(self._waiting[:ROWS])
            del self._waiting[:ROWS]

    def finish(self) -> None:
        """Write what is left as the last page."""
        if self._waiting:
            self._write(self._waiting)
            self._waiting = []

    def _write(self, faces: Sequence[Face]) -> None:
        self.written += 1
        path = self.folder / f"explained_{self.written:04}.jpg"
        save_picture(draw_page(faces, self.support_crops), path)


def draw_page(faces: Sequence[Face], support_crops: Mapping[str, Pixels]) -> Image.Image:
    """Return a page: a row a face, its own picture, the facts, and its neighbours."""
    most = max((len(row["nearest"]) for _, row in faces), default=0)
    row_height = TILE + 3 * TEXT + 2 * GAP
    width = GAP + TILE + GAP + FACTS + most * (TILE + GAP) + GAP
    page = Image.new("RGB", (width, HEAD + row_height * len(faces)), "white")
    draw = ImageDraw.Draw(page)
    _write_text(draw, (GAP, HEAD / 2), "face", TextStyle(PALE, FACTS))
    left = GAP + TILE + GAP + FACTS
    heading = "nearest support images, and their distance"
    _write_text(draw, (left, HEAD / 2), heading, TextStyle(PALE, width))
    for number, face in enumerate(faces):
        top = HEAD + number * row_height
        draw.line((0, top, width, top), fill=MISSING)
        _draw_row(page, top + GAP, face, support_crops)
    return page


def _draw_row(page: Image.Image, top: int, face: Face, support_crops: Mapping[str, Pixels]) -> None:
    draw, (crop, row) = ImageDraw.Draw(page), face
    page.paste(tile(crop.pixels), (GAP, top))
    name, seconds = printable(crop.source.file.name), crop.source.seconds
    name = name if seconds is None else f"{seconds:.2f} s of {name}"
    left, colour = GAP + TILE + GAP, UNKNOWN if row["label"] == NONE else KNOWN
    lines = ((row["label"], colour), (f"{100 * row['probability']:.1f} %", INK), (name, PALE))
    for place, (text, ink) in enumerate(lines):
        style = TextStyle(ink, FACTS - GAP)
        _write_text(draw, (left, top + TEXT + place * 1.7 * TEXT), text, style)
    left += FACTS
    for near in row["nearest"]:
        page.paste(tile(support_picture(near.file, support_crops)), (left, top))
        of_label = TextStyle(KNOWN if near.label == row["label"] else INK, TILE)
        _write_text(draw, (left, top + TILE + TEXT * 0.9), near.label, of_label)
        _write_text(draw, (left, top + TILE + TEXT * 2.2), f"{near.distance:.2f}", SMALL)
        left += TILE + GAP


def tile(pixels: Pixels | None, side: int = TILE) -> Image.Image:
    """Return a crop [3, S, S] as a picture of `side` pixels, or one that says its file is gone."""
    if pixels is None:
        blank = Image.new("RGB", (side, side), MISSING)
        _write_text(ImageDraw.Draw(blank), (8, side / 2), "file is gone", SMALL)
        return blank
    picture = Image.fromarray(for_drawing(pixels))
    return picture.resize((side, side), Image.Resampling.BICUBIC)


def _write_text(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, style: TextStyle
) -> None:
    """Write text, its middle left at `place`, shortened to the room there is."""
    font = font_for(text, style.size)
    shown = text
    while len(shown) > 2 and font.getlength(shown) > style.room:
        shown = shown[: len(shown) - 2] + "…"
    draw.text(place, shown, style.colour, font=font, anchor="lm")
