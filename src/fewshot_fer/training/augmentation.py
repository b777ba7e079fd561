"""Random changes to training images: drawn for a whole epoch, applied a batch at a time.

Drawn before the epoch, so that no GPU waits for them, and they are the same on every device.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.system.device import to_device

GREY = (0.299, 0.587, 0.114)  # weights of R, G, B in luminance (ITU-R BT.601)
ERASED_AREA = (0.02, 0.33)  # of an image, and the height of what is erased by its width
ERASED_RATIO = (0.3, 3.3)
CHANGING = ("flip", "crop", "zoom", "colour", "rotate", "erase")  # settings of a single image
Part = slice | NDArray[np.int64]  # some of an epoch's images: a slice, or their positions


@dataclass(frozen=True)
class Changes:
    """Changes of N images: the source of each row and column of pixels, and what else is drawn.

    rows [N, H], columns [N, W]: int16 positions in the original; factors [N, 3]: of brightness,
    contrast and saturation; angles [N, 2]: float64 cosine and sine of the angle by which they are
    then rotated; erased [N, 4]: int16 box, see `inside`. None where a setting is off.
    """

    rows: Tensor
    columns: Tensor
    factors: Tensor | None = None
    angles: Tensor | None = None
    erased: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Return what is drawn, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def map(self, function: Callable[[Tensor], Tensor]) -> "Changes":
        """Return the changes with a function applied to each tensor of them."""
        return replace(self, **{name: function(each) for name, each in self.tensors().items()})

    def of(self, part: Part) -> "Changes":
        """Return the changes of some of the images."""
        return self.map(lambda each: each[part])

    def to(self, device: torch.device) -> "Changes":
        """Return the same changes on another device."""
        return self.map(lambda each: to_device(each, device))


@dataclass(frozen=True)
class EpochImages:
    """An epoch's training images in the order of its steps, with the changes drawn for them.

    rows [N]: table rows; changes: of these N images, None without augmentation.
    """

    images: FaceImages
    rows: NDArray[np.int64]
    changes: Changes | None

    def batch(self, part: Part, dtype: torch.dtype) -> Tensor:
        """Return some of the images [B, 3, H, W] on their device, changed and normalised."""
        changes = None if self.changes is None else self.changes.of(part).to(self.images.device)
        return prepare_batch(self.images.gather(self.rows[part]), changes, dtype)


def epoch_images(
    images: FaceImages, rows: NDArray[np.int64], settings: AugmentConfig, seed: int, epoch: int
) -> EpochImages:
    """Return the images of table rows [N] with changes drawn for this epoch."""
    random = augmentation_random(seed, epoch)
    return EpochImages(images, rows, draw_changes(len(rows), images.side, settings, random))


def augmentation_random(seed: int, epoch: int, what: bytes = b"augment") -> torch.Generator:
    """Return the generator of an epoch's augmentation: a function of seed and epoch alone."""
    words = np.random.SeedSequence([seed, zlib.crc32(what), epoch]).generate_state(2)
    return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def draw_changes(
    count: int, side: int, settings: AugmentConfig, random: torch.Generator
) -> Changes | None:
    """Draw the changes of `count` square images of `side` pixels, None where nothing is changed.

    Flip, shift, zoom and rotation are one choice of source pixels (nearest neighbour, edges
    repeated).
    """
    if not any(vars(settings)[name] for name in CHANGING):
        return None
    scale = 1 + settings.zoom * _uniform(count, random)
    shift = (settings.crop * _uniform(2 * count, random)).view(2, count, 1)
    flip = torch.rand(count, generator=random) < settings.flip
    rows = _positions(side, scale, shift[0] * side)
    columns = _positions(side, scale, shift[1] * side)
    columns = torch.where(flip[:, None], side - 1 - columns, columns)
    factors = angles = None
    if settings.colour:
        factors = 1 + settings.colour * _uniform(3 * count, random).view(count, 3)
    if settings.rotate:
        turned = torch.deg2rad(settings.rotate * _uniform(count, random).double())
        angles = torch.stack([turned.cos(), turned.sin()], dim=1)
    erased = _erased(count, side, settings.erase, random) if settings.erase else None
    return Changes(rows.short(), columns.short(), factors, angles, erased)


def apply_changes(images: Tensor, changes: Changes) -> Tensor:
    """Return float32 images [B, 3, H, W] in 0..255, each changed in its own way; none is erased.

    images: [B, 3, H, W] in 0..255, on the device of `changes`.
    """
    rows, columns = changes.rows.long()[:, :, None], changes.columns.long()[:, None, :]
    if changes.angles is not None:
        rows, columns = _rotated(rows, columns, changes.angles)
    source = (rows * images.shape[3] + columns).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    moved = images.flatten(2).gather(2, source).view_as(images).float()
    return moved if changes.factors is None else _jitter(moved, changes.factors)


def prepare_batch(images: Tensor, changes: Changes | None, dtype: torch.dtype) -> Tensor:
    """Return images [B, 3, H, W] in 0..255, with their changes, normalised for an encoder.

    What is erased becomes 0: the mean colour of ImageNet's images.
    """
    prepared = normalise(images if changes is None else apply_changes(images, changes), dtype)
    if changes is None or changes.erased is None:
        return prepared
    return prepared.masked_fill_(inside(changes.erased, images.shape[3]), 0)


def inside(boxes: Tensor, side: int) -> Tensor:
    """Return which pixels [B, 1, side, side] lie in boxes [B, 4], each of them
    (top, bottom, left, right): bottom and right are the first outside."""
    places = torch.arange(side, device=boxes.device)
    top, bottom, left, right = boxes[:, :, None].unbind(dim=1)
    rows, columns = (top <= places) & (places < bottom), (left <= places) & (places < right)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _positions(length: int, scale: Tensor, shift: Tensor) -> Tensor:
    """Return source positions [B, length], scaled about the middle, shifted, kept inside."""
    middle = (length - 1) / 2
    positions = (torch.arange(length) - middle) * scale[:, None] + middle + shift
    return positions.round_().clamp_(0, length - 1)


def _rotated(rows: Tensor, columns: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Return source rows and columns [B, H, W] of images rotated anticlockwise about the middle.

    rows [B, H, 1], columns [B, 1, W]: source positions before; angles [B, 2]: cosine and sine, in
    float64, so that every device rounds to the same pixels.
    """
    side = columns.shape[2]
    middle = (side - 1) / 2
    away = torch.arange(side, dtype=angles.dtype, device=angles.device) - middle
    cosine, sine = angles[:, :, None, None].unbind(dim=1)
    down = cosine * away[:, None] + sine * away
    right = cosine * away - sine * away[:, None]
    down, right = ((each + middle).round_().clamp_(0, side - 1).long() for each in (down, right))
    turned_rows = rows[:, :, 0].gather(1, down.flatten(1)).view_as(down)
    return turned_rows, columns[:, 0].gather(1, right.flatten(1)).view_as(right)


def _erased(count: int, side: int, probability: float, random: torch.Generator) -> Tensor:
    """Draw boxes [N, 4] to be erased, empty where none is (Zhong et al., AAAI 2020).

    The paper draws anew while a box is too long for the image; here the ratio is drawn among those
    that fit its area.
    """
    chosen, area, ratio, down, right = torch.rand(5, count, generator=random).double()
    area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area
    low = area.clamp(min=ERASED_RATIO[0]).log()
    high = (1 / area).clamp(max=ERASED_RATIO[1]).log()
    ratio = (low + (high - low) * ratio).exp()
    height, width = ((side * (area * each).sqrt()).round() for each in (ratio, 1 / ratio))
    height, width = height.clamp_(1, side), width.clamp_(1, side)
    top, left = (down * (side - height + 1)).floor(), (right * (side - width + 1)).floor()
    boxes = torch.stack([top, top + height, left, left + width], dim=1)
    return boxes.masked_fill_((chosen >= probability)[:, None], 0).short()


def _jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Vary brightness, contrast and saturation by `factors` [B, 3], in this order, in place.

    Contrast moves a pixel from the mean grey m, saturation from its own grey g. With the brightness
    b in the pixel x, that is saturation * contrast * x + (1 - saturation) * contrast * g
    + (1 - contrast) * m: one multiplication a channel, the rest once a pixel.
    """
    brightness, contrast, saturation = factors.T.reshape(3, -1, 1, 1, 1)
    red, green, blue = images.unbind(dim=1)
    grey = (red * GREY[0] + green * GREY[1] + blue * GREY[2])[:, None] * brightness
    mean = grey.mean(dim=(2, 3), keepdim=True)
    common = grey.mul_((1 - saturation) * contrast).add_((1 - contrast) * mean)
    jittered = images.mul_(saturation * contrast * brightness).add_(common)
    return jittered.clamp_(0, 255)


def _uniform(count: int, random: torch.Generator) -> Tensor:
    """Return `count` numbers in -1..1."""
    return torch.rand(count, generator=random) * 2 - 1
