"""JPEG through torchvision's decoder, where it is at hand: the pixels of Pillow's in half the time.

Importing torchvision takes as long as its decoder saves on some 50,000 images, so it is imported
for that many, and used for fewer where something else, a ResNet for one, has imported it.
"""

import importlib
import sys
from pathlib import Path

from PIL import Image

PAYS = 50_000  # images: an import of 2 s against 40 microseconds an image
MODULE = "torchvision.io"
ORIENTATION = 0x0112  # in EXIF; 1 is upright
END = b"\xff\xd9"


def prepare_decoder(n_images: int) -> None:
    """Import torchvision if that pays for so many images; without it Pillow decodes them."""
    if n_images >= PAYS:
        try:
            importlib.import_module(MODULE)
        except (ImportError, OSError, RuntimeError):  # RuntimeError: built for another torch
            return


def decode_jpeg(path: str | Path, picture: Image.Image) -> Image.Image | None:
    """Return an ordinary JPEG in RGB, None for whatever Pillow shall look at.

    picture: as opened by Pillow, which has read the header and found its size acceptable. Files
    that are turned, in four colours, cut off or damaged are Pillow's, and so are its messages.
    """
    decode = getattr(sys.modules.get(MODULE), "decode_jpeg", None)  # later releases may lack it
    if decode is None or picture.format != "JPEG" or picture.mode not in ("RGB", "L"):
        return None
    if picture.getexif().get(ORIENTATION, 1) != 1:
        return None
    content = Path(path).read_bytes()
    if not content.endswith(END):  # torchvision would fill what is missing with grey
        return None
    import torch

    try:
        pixels = decode(torch.frombuffer(bytearray(content), dtype=torch.uint8), "RGB")
    except RuntimeError:
        return None
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
