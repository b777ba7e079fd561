"""What a camera makes of a scene: background, sampling, blur, grain."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fewshot_fer.demo.scene import Scene

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIZE = 100
# Pixels of the drawing per pixel of the picture, along an edge: the cheapest that looks smooth.
FINER = 1.4
EDGE = round(SIZE * FINER)


def draw_background(scene: Scene) -> Floats:
    """Return the scene without a face: linear colours [140, 140, 3]."""
    bands = [
        Image.fromarray(scene.background[..., band]).resize((EDGE, EDGE), Image.Resampling.BICUBIC)
        for band in range(3)
    ]
    return np.stack([np.asarray(band, np.float32) for band in bands], axis=2).clip(0, 1)


def develop(canvas: Floats, scene: Scene, generator: Generator) -> Bytes:
    """Return the picture [100, 100, 3] that a camera makes of linear colours [140, 140, 3]."""
    image = np.sqrt(canvas.clip(0, 1))
    image *= 255 * scene.contrast
    image += 255 * (0.45 * (1 - scene.contrast) + scene.brightness) + 0.5
    fine = Image.fromarray(image.clip(0, 255).astype(np.uint8))
    small = fine.resize((SIZE, SIZE), Image.Resampling.BOX)
    if scene.blur > 0.15:
        small = small.filter(ImageFilter.GaussianBlur(scene.blur))
    image = _moved(np.asarray(small, np.float32), scene.motion)
    grain = generator.standard_normal(image.shape, np.float32)
    grain *= 255 * scene.noise
    grain += image
    return (grain + 0.5).clip(0, 255).astype(np.uint8)


def _moved(image: Floats, motion: tuple[float, float]) -> Floats:
    """Return the picture smeared along a straight path, in pixels right and down."""
    across, down = motion
    steps = int(np.ceil(np.hypot(across, down)))
    if steps == 0:
        return image
    places = np.linspace(-0.5, 0.5, steps + 1)
    rolls = [(round(place * down), round(place * across)) for place in places]
    smeared = np.zeros_like(image)
    for roll in rolls:
        smeared += np.roll(image, roll, (0, 1))
    return np.asarray(smeared / len(rolls), np.float32)
