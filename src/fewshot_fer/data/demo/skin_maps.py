"""Draw the maps of skin paint: folds that deepen with a unit, blush, stubble, freckles.

The maps lie on the rest shape seen from the front, a hundredth of a decimetre a texel.
"""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fewshot_fer.data.demo.mesh import Floats, Integers, smooth_step

LEFT, TOP, TEXEL, WIDTH, HEIGHT = -1.0, 8.5, 0.01, 200, 250
_FINER = 4
Stroke = list[tuple[float, float]]
# Curves on the face's left in decimetres of the rest shape; each is drawn on both sides.
_STROKES: dict[str, tuple[float, list[Stroke]]] = {
    "forehead": (
        0.02,
        [
            [(0.0, 7.60 + step), (0.15, 7.615 + step), (0.32, 7.61 + step), (0.46, 7.57 + step)]
            for step in (0.0, 0.085, 0.17)
        ],
    ),
    "glabella": (0.02, [[(0.065, 7.38), (0.055, 7.47), (0.075, 7.56)]]),
    "nose": (
        0.02,
        [
            [(0.0, 7.25), (0.07, 7.26), (0.13, 7.29)],
            [(0.0, 7.31), (0.07, 7.32), (0.12, 7.36)],
            [(0.10, 7.18), (0.16, 7.12), (0.18, 7.04)],
            [(0.07, 7.22), (0.13, 7.14), (0.14, 7.07)],
        ],
    ),
    "nasolabial": (0.028, [[(0.17, 6.93), (0.24, 6.86), (0.31, 6.75), (0.345, 6.62)]]),
    "crow": (
        0.016,
        [
            [(0.50, 7.29), (0.57, 7.34), (0.63, 7.37)],
            [(0.51, 7.26), (0.58, 7.26), (0.65, 7.27)],
            [(0.50, 7.23), (0.57, 7.19), (0.62, 7.15)],
        ],
    ),
    "lower_lid": (0.022, [[(0.16, 7.19), (0.24, 7.13), (0.34, 7.12), (0.44, 7.16)]]),
    "eye_bag": (0.025, [[(0.15, 7.14), (0.24, 7.05), (0.35, 7.04), (0.46, 7.10)]]),
    "lid_fold": (0.014, [[(0.17, 7.32), (0.24, 7.375), (0.34, 7.385), (0.44, 7.34)]]),
    "chin": (
        0.026,
        [
            [(0.0, 6.425), (0.08, 6.42), (0.15, 6.39)],
            [(0.05, 6.35), (0.06, 6.31)],
            [(0.10, 6.33), (0.11, 6.29)],
        ],
    ),
    "corner": (0.024, [[(0.265, 6.62), (0.31, 6.55), (0.32, 6.46)]]),
    "stretch": (
        0.02,
        [[(0.36, 6.72), (0.40, 6.60), (0.38, 6.48)], [(0.20, 6.2), (0.3, 6.25), (0.38, 6.3)]],
    ),
}
_PATCHES: dict[str, tuple[float, list[tuple[float, float, float, float]]]] = {
    # Blur radius (dm), then centre and radii of ellipses on the face's left.
    "blush": (0.08, [(0.42, 6.95, 0.17, 0.12), (0.0, 6.95, 0.08, 0.06)]),
    "socket": (0.07, [(0.22, 7.33, 0.12, 0.07)]),
}
NAMES: tuple[str, ...] = (*_STROKES, *_PATCHES, "stubble", "mottle", "freckles")


def texels(x: Floats, y: Floats) -> Integers:
    """Return the flat index into the maps of rest coordinates in decimetres, [N]."""
    column = ((x - LEFT) * (1 / TEXEL)).astype(np.int64).clip(0, WIDTH - 1)
    row = ((TOP - y) * (1 / TEXEL)).astype(np.int64).clip(0, HEIGHT - 1)
    return np.asarray(row * WIDTH + column)


@lru_cache(maxsize=1)
def maps() -> Floats:
    """Return the maps, 0..1, one row for each of NAMES: [len(NAMES), HEIGHT * WIDTH]."""
    layers = [_draw_strokes(width, strokes) for width, strokes in _STROKES.values()]
    layers += [_draw_patches(blur, patches) for blur, patches in _PATCHES.values()]
    freckles = np.asarray(_noise(90, 4).clip(0.62, 1) * 2.6 - 1.6, np.float32)  # peaks of a noise
    layers += [_draw_stubble(), _noise(12, 3), freckles]
    return np.stack([layer.ravel() for layer in layers]).astype(np.float32)


def _texel(x: float, y: float, finer: int = _FINER) -> tuple[float, float]:
    return (x - LEFT) / TEXEL * finer, (TOP - y) / TEXEL * finer


def _draw_strokes(width: float, strokes: list[Stroke]) -> Floats:
    canvas = Image.new("L", (WIDTH * _FINER, HEIGHT * _FINER))
    pencil = ImageDraw.Draw(canvas)
    for stroke in strokes:
        for side in (-1, 1):
            dense = _smooth([(side * x, y) for x, y in stroke])
            pencil.line(
                [_texel(x, y) for x, y in dense], 255, round(width / TEXEL * _FINER), "curve"
            )
    soft = canvas.filter(ImageFilter.GaussianBlur(width / TEXEL * _FINER * 0.55))
    return _small(soft)


def _smooth(points: Stroke) -> Stroke:
    """Return a denser curve through the points, cubic in between."""
    known = np.linspace(0, 1, len(points))
    fit = np.polynomial.Polynomial.fit
    degree = min(3, len(points) - 1)
    curves = [fit(known, [point[axis] for point in points], degree) for axis in (0, 1)]
    dense = np.linspace(0, 1, 16)
    return list(zip(curves[0](dense).tolist(), curves[1](dense).tolist(), strict=True))


def _draw_patches(blur: float, patches: list[tuple[float, float, float, float]]) -> Floats:
    canvas = Image.new("L", (WIDTH * _FINER, HEIGHT * _FINER))
    pencil = ImageDraw.Draw(canvas)
    for x, y, across, up in patches:
        for side in (-1, 1):
            low, high = _texel(side * x - across, y + up), _texel(side * x + across, y - up)
            pencil.ellipse([low, high], 255)
    return _small(canvas.filter(ImageFilter.GaussianBlur(blur / TEXEL * _FINER)))


def _small(canvas: Image.Image) -> Floats:
    small = canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def _draw_stubble() -> Floats:
    """Return where a beard grows: jaw, chin and moustache, lips left out."""
    x = np.abs(np.linspace(LEFT, LEFT + WIDTH * TEXEL, WIDTH, dtype=np.float64))[None, :]
    y = np.linspace(TOP, TOP - HEIGHT * TEXEL, HEIGHT, dtype=np.float64)[:, None]
    jaw = smooth_step((6.62 + 1.1 * np.maximum(x - 0.25, 0) ** 1.2 + 0.12 * (x < 0.18) - y) / 0.12)
    upper_lip = smooth_step((y - 6.64) / 0.03) * smooth_step((6.80 - 0.35 * x**2 - y) / 0.05)
    moustache = smooth_step((0.30 - x) / 0.06) * upper_lip
    lips = smooth_step((1 - (x / 0.27) ** 2 - ((y - 6.6) / 0.12) ** 2) / 0.2)
    bare = 0.5 * smooth_step((0.2 - np.hypot(x - 0.2, y - 6.45)) / 0.08)
    grown = np.maximum(jaw * (1 - bare), moustache) * (1 - lips)
    coded = Image.fromarray((grown * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(3))
    return np.asarray(coded, np.float32) / np.float32(255)


def _noise(cells: int, seed: int) -> Floats:
    """Return smooth noise, 0..1, with about that many cells across."""
    coarse = np.random.default_rng(seed).random((cells, cells)).astype(np.float32)
    image = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32).clip(0, 1)
