"""Draw what each setting of augmentation makes of drawn faces, by the code that trains.

python scripts/augmentation_sheet.py            # writes docs/pictures/augmentation.jpg
"""

from pathlib import Path

import numpy as np
import torch
from contact_sheet import faces, save_sheet
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fewshot_fer.config.train_schema import AugmentConfig, TrainConfig
from fewshot_fer.data.labels import BASIC
from fewshot_fer.data.packed_images import FaceImages, PackedFaces
from fewshot_fer.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from fewshot_fer.training.batches import draw_batches

OUT = Path(__file__).resolve().parents[1] / "docs/pictures/augmentation.jpg"
SIDE, MARGIN = 72, 130
PAPER, INK = (255, 255, 255), (30, 30, 30)
LARGEST = 59_000
ROWS = {
    "as they are": {},
    "flip=0.5 crop=0.07": {"flip": 0.5, "crop": 0.07},
    "zoom=0.3": {"zoom": 0.3},
    "colour=0.3": {"colour": 0.3},
    "rotate=20": {"rotate": 20.0},
    "erase=0.5": {"erase": 0.5},
    "mixup=0.4": {"mixup": 0.4},
    "cutmix=1": {"cutmix": 1.0},
    "rotation_weight=1": {},
}


def drawn_images() -> FaceImages:
    """Return faces of six basic classes, of a person each."""
    pictures = [faces(label, range(40 + n, 41 + n))[0] for n, label in enumerate(BASIC[:6])]
    small = [picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for picture in pictures]
    pixels = np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in small])
    return FaceImages(PackedFaces(pixels, "sheet"), torch.device("cpu"))


def changed(images: FaceImages, name: str) -> NDArray[np.uint8]:
    """Return the images [N, H, W, 3] as one batch of supervised training shows them."""
    settings = TrainConfig(augment=AugmentConfig(**ROWS[name]), batch_size=len(images))
    settings.rotation_weight = float(name.startswith("rotation_weight"))
    numbers = np.arange(len(images))
    batch = draw_batches(images, (numbers, numbers), settings, 0, 1)
    seen = batch.images(slice(0, len(images)), torch.float64).permute(0, 2, 3, 1)
    scaled = (seen * torch.tensor(IMAGENET_STD) + torch.tensor(IMAGENET_MEAN)) * 255
    pixels: NDArray[np.uint8] = scaled.round().clamp(0, 255).byte().numpy()
    return pixels


def draw_sheet() -> Image.Image:
    """Return a row of pictures for each setting, with its name at the left."""
    images = drawn_images()
    sheet = Image.new("RGB", (MARGIN + len(images) * SIDE, len(ROWS) * SIDE), PAPER)
    for row, name in enumerate(ROWS):
        for column, pixels in enumerate(changed(images, name)):
            sheet.paste(Image.fromarray(pixels), (MARGIN + column * SIDE, row * SIDE))
        place = (MARGIN - 6, row * SIDE + SIDE // 2)
        ImageDraw.Draw(sheet).text(place, name, INK, ImageFont.load_default(12), "rm")
    return sheet


if __name__ == "__main__":
    save_sheet(draw_sheet, OUT, LARGEST)
