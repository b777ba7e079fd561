"""Draw what surrounds a face: pose, camera, light and background, and develop the picture.

A scene is of one of two domains: "still", a snapshot as in RAF-DB, or "film", as in AFEW, with dim
coloured light, wider poses and blur.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fewshot_fer.data.demo.mesh import Floats

Bytes = NDArray[np.uint8]
SIZE = 100
# Pixels of the drawing per pixel of the picture, along an edge: the cheapest that looks smooth.
FINER = 1.4
EDGE = round(SIZE * FINER)


@dataclass(frozen=True)
class Scene:
    """One shot. Angles in radians, places in pixels of the 100x100 picture, colours linear 0..1.

    yaw, pitch and roll are the head's; gaze is the eyes' turn, -1..1 right and up. shift and zoom
    are what alignment leaves over. lights is [L, 3] directions towards the lights and light_colors
    [L, 3] theirs; ambient [3] comes from everywhere. motion is a blur's path in pixels.
    """

    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    shift: tuple[float, float]
    zoom: float
    distance: float
    lights: Floats
    light_colors: Floats
    ambient: Floats
    background: Floats
    blur: float
    motion: tuple[float, float]
    noise: float
    contrast: float
    brightness: float
    quality: int


def draw_scene(domain: str, generator: Generator) -> Scene:
    """Draw a scene of the domain "still" or "film"."""
    return _draw_still(generator) if domain == "still" else _draw_film(generator)


def _direction(azimuth: float, height: float) -> list[float]:
    return [np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)]


def _tint(generator: Generator, amount: float) -> Floats:
    color = 1 + generator.normal(0, amount, 3)
    return np.asarray(color / color.mean(), np.float32)


def _blotches(generator: Generator, low: float, high: float, spread: float) -> Floats:
    """Return a coarse background [4, 4, 3], linear colours, smoothly enlarged when it is drawn."""
    base = generator.uniform(low, high) * _tint(generator, 0.2)
    light = np.exp(generator.normal(0, spread, (4, 4, 1)))
    color = np.exp(generator.normal(0, 0.12, (4, 4, 3)))
    return np.asarray((base * light * color).clip(0.002, 1), np.float32)


def _draw_still(generator: Generator) -> Scene:
    key = generator.uniform(0.45, 0.95)
    azimuth = generator.normal(0, 0.7)
    lights = [_direction(azimuth, generator.uniform(0.1, 0.9)), _direction(-azimuth, 0.1)]
    colors = [key * _tint(generator, 0.06), generator.uniform(0.05, 0.3) * _tint(generator, 0.08)]
    return Scene(
        yaw=float(np.clip(generator.normal(0, 0.22), -0.6, 0.6)),
        pitch=float(np.clip(generator.normal(0, 0.11), -0.3, 0.3)),
        roll=float(generator.normal(0, 0.04)),
        gaze=(float(generator.normal(0, 0.35)), float(generator.normal(0, 0.15))),
        shift=(float(generator.normal(0, 1.2)), float(generator.normal(0, 1.2))),
        zoom=float(np.exp(generator.normal(0, 0.04))),
        distance=float(generator.uniform(7, 16)),
        lights=np.array(lights, np.float32),
        light_colors=np.array(colors, np.float32),
        ambient=generator.uniform(0.28, 0.45) * _tint(generator, 0.04),
        background=_blotches(generator, 0.03, 0.7, 0.35),
        blur=float(max(0.0, generator.normal(0.25, 0.3))),
        motion=(0.0, 0.0),
        noise=float(generator.uniform(0.0, 0.018)),
        contrast=float(generator.uniform(0.9, 1.1)),
        brightness=float(generator.normal(0, 0.02)),
        quality=int(generator.integers(80, 96)),
    )


def _draw_film(generator: Generator) -> Scene:
    azimuth = generator.choice([-1, 1]) * generator.uniform(0.3, 1.3)
    lights = [_direction(azimuth, generator.uniform(-0.1, 0.9)), _direction(-azimuth, 0.3)]
    key, fill = generator.uniform(0.2, 0.5), generator.uniform(0.02, 0.15)
    tint = _tint(generator, 0.16)
    path = generator.uniform(0, np.pi)
    speed = generator.gamma(1.2, 1.3)
    return Scene(
        yaw=float(np.clip(generator.normal(0, 0.34), -0.75, 0.75)),
        pitch=float(np.clip(generator.normal(0, 0.18), -0.4, 0.4)),
        roll=float(generator.normal(0, 0.1)),
        gaze=(float(generator.normal(0, 0.5)), float(generator.normal(0, 0.2))),
        shift=(float(generator.normal(0, 2.2)), float(generator.normal(0, 2.2))),
        zoom=float(np.exp(generator.normal(-0.03, 0.07))),
        distance=float(generator.uniform(8, 20)),
        lights=np.array(lights, np.float32),
        light_colors=np.array(
            [key * _tint(generator, 0.2), fill * _tint(generator, 0.3)], np.float32
        ),
        ambient=generator.uniform(0.13, 0.24) * tint,
        background=_blotches(generator, 0.005, 0.12, 0.7),
        blur=float(generator.uniform(0.4, 1.0)),
        motion=(float(np.cos(path) * speed), float(np.sin(path) * speed)),
        noise=float(generator.uniform(0.008, 0.028)),
        contrast=float(generator.uniform(0.75, 1.0)),
        brightness=float(generator.normal(0.02, 0.03)),
        quality=int(generator.integers(60, 88)),
    )


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
