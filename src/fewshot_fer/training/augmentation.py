"""Random changes to training images: drawn for a whole epoch, applied a batch at a time.

Drawn before the epoch, so that no GPU waits for them, and they are the same on every device.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.train_schema import AugmentConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.models.preprocessing import normalise

GREY = (0.299, 0.587, 0.114)  # weights of R, G, B in luminance (ITU-R BT.601)


@dataclass(frozen=True)
class Changes:
    """Changes of N images: the source of each row and column of pixels, and factors of colours.

    rows [N, H], columns [N, W]: int16 positions in the original; factors [N, 3]: of brightness,
    contrast and saturation, None where colours stay.
    """

    rows: Tensor
    columns: Tensor
    factors: Tensor | None

    def of(self, part: slice) -> "Changes":
        """Return the changes of some of the images."""
        factors = None if self.factors is None else self.factors[part]
        return Changes(self.rows[part], self.columns[part], factors)

    def to(self, device: torch.device) -> "Changes":
        """Return the same changes on another device."""
        factors = None if self.factors is None else self.factors.to(device)
        return Changes(self.rows.to(device), self.columns.to(device), factors)


@dataclass(frozen=True)
class EpochImages:
    """An epoch's training images in the order of its steps, with the changes drawn for them.

    rows [N]: table rows; changes: of these N images, None without augmentation.
    """

    images: FaceImages
    rows: NDArray[np.int64]
    changes: Changes | None

    def batch(self, part: slice, dtype: torch.dtype) -> Tensor:
        """Return some of the images [B, 3, H, W] on their device, changed and normalised."""
        changes = None if self.changes is None else self.changes.of(part).to(self.images.device)
        return prepare_batch(self.images.gather(self.rows[part]), changes, dtype)


def epoch_images(
    images: FaceImages, rows: NDArray[np.int64], settings: AugmentConfig, seed: int, epoch: int
) -> EpochImages:
    """Return the images of table rows [N] with changes drawn for this epoch."""
    random = augmentation_random(seed, epoch)
    return EpochImages(images, rows, draw_changes(len(rows), images.side, settings, random))


def augmentation_random(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of an epoch's augmentation: a function of seed and epoch alone."""
    words = np.random.SeedSequence([seed, zlib.crc32(b"augment"), epoch]).generate_state(2)
    return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def draw_changes(
    count: int, side: int, settings: AugmentConfig, random: torch.Generator
) -> Changes | None:
    """Draw the changes of `count` square images of `side` pixels, None where nothing is changed.

    Flip, shift and zoom are one choice of source pixels (nearest neighbour, edges repeated).
    """
    if not any((settings.flip, settings.crop, settings.zoom, settings.colour)):
        return None
    scale = 1 + settings.zoom * _uniform(count, random)
    shift = (settings.crop * _uniform(2 * count, random)).view(2, count, 1)
    flip = torch.rand(count, generator=random) < settings.flip
    rows = _positions(side, scale, shift[0] * side)
    columns = _positions(side, scale, shift[1] * side)
    columns = torch.where(flip[:, None], side - 1 - columns, columns)
    factors = None
    if settings.colour:
        factors = 1 + settings.colour * _uniform(3 * count, random).view(count, 3)
    return Changes(rows.short(), columns.short(), factors)


def apply_changes(images: Tensor, changes: Changes) -> Tensor:
    """Return float32 images [B, 3, H, W] in 0..255, each changed in its own way.

    images: uint8 [B, 3, H, W] on the device of `changes`.
    """
    rows, columns = changes.rows.long()[:, :, None], changes.columns.long()[:, None, :]
    source = (rows * images.shape[3] + columns).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    moved = images.flatten(2).gather(2, source).view_as(images).float()
    return moved if changes.factors is None else _jitter(moved, changes.factors)


def prepare_batch(images: Tensor, changes: Changes | None, dtype: torch.dtype) -> Tensor:
    """Return uint8 images [B, 3, H, W] with their changes applied, normalised for an encoder."""
    return normalise(images if changes is None else apply_changes(images, changes), dtype)


def _positions(length: int, scale: Tensor, shift: Tensor) -> Tensor:
    """Return source positions [B, length], scaled about the middle, shifted, kept inside."""
    middle = (length - 1) / 2
    positions = (torch.arange(length) - middle) * scale[:, None] + middle + shift
    return positions.round_().clamp_(0, length - 1)


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
