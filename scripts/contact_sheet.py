"""Draw the contact sheet of the drawn faces: the basics, some compounds, one clip over time.

python scripts/contact_sheet.py            # writes src/fewshot_fer/data/demo/contact_sheet.jpg
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fewshot_fer.data.demo.plan import Shot
from fewshot_fer.data.demo.writer import draw_shot
from fewshot_fer.data.labels import BASIC, COMPOUND

OUT = Path(__file__).resolve().parents[1] / "src/fewshot_fer/data/demo/contact_sheet.jpg"
FACE, MARGIN, CAPTION = 84, 84, 24
COLUMNS = len(COMPOUND)
PAPER, INK = (255, 255, 255), (30, 30, 30)
SEED = 0
# People of the sheet alone; the clip's was picked by eye for a readable light.
FIRST_PERSON, CLIP_PERSON = 9_000_000, 221
LARGEST = 150_000


def faces(label: str, people: range, clip: str = "", frames: int = 1) -> list[Image.Image]:
    """Return the pictures of a class, one a person, or the frames of one person's clip."""
    images: list[Image.Image] = []
    for person in people:
        number = FIRST_PERSON + person
        paths = tuple(f"{frame}.jpg" for frame in range(frames))
        shot = Shot(paths, "sheet", "train", label, number, clip, number)
        images += [Image.open(io.BytesIO(drawn.jpeg)) for drawn in draw_shot(shot, SEED)]
    return images


def add_row(sheet: Image.Image, top: int, name: str, images: list[Image.Image]) -> None:
    """Paste pictures side by side, with a name at the left."""
    for column, image in enumerate(images):
        small = image.resize((FACE, FACE), Image.Resampling.LANCZOS)
        sheet.paste(small, (MARGIN + column * FACE, top))
    place = (MARGIN - 6, top + FACE // 2)
    ImageDraw.Draw(sheet).text(place, name, INK, ImageFont.load_default(12), "rm")


def add_captions(sheet: Image.Image, top: int, names: tuple[str, ...]) -> None:
    """Write a row's names under its pictures, a word a line."""
    pencil, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for column, name in enumerate(names):
        place = (MARGIN + column * FACE + FACE // 2, top + CAPTION // 2)
        pencil.text(place, name.replace(" ", "\n"), INK, font, "mm", spacing=1, align="center")


def draw_sheet() -> Image.Image:
    """Return the whole sheet."""
    size = (MARGIN + COLUMNS * FACE, (len(BASIC) + 2) * FACE + CAPTION)
    sheet = Image.new("RGB", size, PAPER)
    for row, label in enumerate(BASIC):
        people = range(row * COLUMNS, (row + 1) * COLUMNS)
        add_row(sheet, row * FACE, label, faces(label, people))
    top = len(BASIC) * FACE
    mixed = [faces(label, range(100 + n, 101 + n))[0] for n, label in enumerate(COMPOUND)]
    add_row(sheet, top, "compound", mixed)
    add_captions(sheet, top + FACE, COMPOUND)
    clip = faces("surprise", range(CLIP_PERSON, CLIP_PERSON + 1), "000000000", COLUMNS)
    add_row(sheet, top + FACE + CAPTION, "one clip", clip)
    return sheet


def save_sheet(draw: Callable[[], Image.Image], out: Path, largest: int) -> None:
    """Draw a sheet and save it as a JPEG of at most so many bytes, to `out` or where --out says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=out)
    out, sheet = parser.parse_args().out, draw()
    for quality in range(92, 20, -3):
        sheet.save(out, quality=quality, optimize=True)
        if out.stat().st_size <= largest:
            break
    print(f"{out}: {out.stat().st_size / 1000:.0f} KB at quality {quality}")


if __name__ == "__main__":
    save_sheet(draw_sheet, OUT, LARGEST)
