"""What the pixels of each mode and depth become in 8-bit RGB, and which are refused.

Right where the file says which value is white, refused where it does not: a guess would be a wrong
picture without a word.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

PLAIN = "save it as 8-bit grey or RGB"
BITS, COMPRESSION, PHOTOMETRIC, PLANAR, SAMPLE = 258, 259, 262, 284, 339  # tags of a TIFF
WHITE_IS_ZERO, YCBCR, SEPARATE, UNCOMPRESSED, SIGNED = 0, 6, 2, 1, 2  # what they hold


@dataclass(frozen=True)
class Layout:
    """How a file holds its pixels, beyond Pillow's mode.

    raw: Pillow's name of the samples, `L;4` or `RGB;16B`; negative: grey whose 0 is white, which
    Pillow has not turned.
    """

    raw: str
    negative: bool = False


def layout_of(picture: ImageFile) -> Layout:
    """Return how an opened file holds its pixels; to be called before they are loaded.

    Raises ValueError for what Pillow reads wrongly and for what has no agreed white.
    """
    args = picture.tile[0][3] if picture.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    raw = first if isinstance(first, str) else ""
    if raw.startswith("RGB;16") and "transparency" in picture.info:
        raise ValueError(f"it has 16 bits a colour and one of them transparent: {PLAIN}")
    if not isinstance(picture, TiffImageFile):
        return Layout(raw)
    tags = picture.tag_v2
    if picture.mode == "I" or SIGNED in tags.get(SAMPLE, ()):
        raise ValueError(
            f"its grey levels are 32-bit or signed integers, of which none is agreed to be white: "
            f"{PLAIN}, or as 16-bit grey"
        )
    plain = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    if plain and tags.get(PLANAR) == SEPARATE and max(tags.get(BITS, (8,))) > 8:
        raise ValueError(f"it holds 16-bit colours in separate planes: {PLAIN}")
    if plain and tags.get(PHOTOMETRIC) == YCBCR:
        raise ValueError(f"it holds YCbCr without compression: {PLAIN}")
    if not plain and raw == "F;32BF":
        raise ValueError(f"it holds compressed floats, highest byte first: {PLAIN}")
    deep = picture.mode == "F" or picture.mode.startswith("I;16")
    return Layout(raw, negative=deep and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO)


def as_rgb(picture: Image.Image, layout: Layout) -> Image.Image:
    """Return a picture as 8-bit RGB; a transparent one as it looks on black.

    16-bit grey spans 0..65535 and floats 0..1, where Pillow's own conversion would cut them off at
    255. Raises ValueError for other floats.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):
        grey = _shares(picture, layout)
        grey = 1 - grey if layout.negative else grey
        return Image.fromarray((255 * grey).round().astype(np.uint8)).convert("RGB")
    if layout.raw in ("L;2", "L;4") and "transparency" in picture.info:
        # PNG says which sample is clear, 3 for one, and Pillow has made 255 of it.
        picture.info["transparency"] *= 255 // (2 ** int(layout.raw[2:]) - 1)
    if ("A" in picture.getbands() and picture.mode != "LAB") or "transparency" in picture.info:
        # Hidden pixels often hold rubbish: paste on black rather than drop the alpha channel.
        opaque = picture.convert("RGBA")
        black = Image.new("RGB", opaque.size)
        black.paste(opaque, mask=opaque.getchannel("A"))
        return black
    return picture.convert("RGB")


def _shares(picture: Image.Image, layout: Layout) -> NDArray[np.float64]:
    """Return deep grey as shares of white, 0..1."""
    with np.errstate(invalid="ignore"):  # not a number, which is refused below
        values = np.asarray(picture, dtype=np.float64)
    if picture.mode != "F":
        clear = picture.info.get("transparency")
        values = values / (4095 if layout.raw == "I;12" else 65_535)
        return values if clear is None else np.where(values == clear / 65_535, 0, values)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"its floats are not all within 0 (black) to 1 (white): {PLAIN}")
    return values
