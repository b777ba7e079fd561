"""Random changes to a batch of training images, as tensor operations on all of them at once."""

import torch
from torch import Tensor

from fewshot_fer.config import AugmentConfig

GREY = (0.299, 0.587, 0.114)  # weights of R, G, B in luminance (ITU-R BT.601)


def is_on(settings: AugmentConfig) -> bool:
    """Tell whether any change is asked for."""
    return any((settings.flip, settings.crop, settings.zoom, settings.colour))


def augment(images: Tensor, settings: AugmentConfig, random: torch.Generator) -> Tensor:
    """Return float32 images [B, 3, H, W] in 0..255, each changed in its own way.

    images: uint8 [B, 3, H, W]. Flip, shift and zoom are one gather of pixels (nearest neighbour,
    edges repeated), colour is arithmetic after it. `random` is a CPU generator on every device, so
    that a GPU sees the same changes.
    """
    moved = _crop_and_flip(images, settings, random)
    return _jitter(moved, settings.colour, random) if settings.colour else moved


def _crop_and_flip(images: Tensor, settings: AugmentConfig, random: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    scale = 1 + settings.zoom * _uniform(count, random)
    shift = (settings.crop * _uniform(2 * count, random)).view(2, count, 1)
    flip = torch.rand(count, generator=random) < settings.flip
    rows = _places(height, scale, shift[0] * height)
    columns = _places(width, scale, shift[1] * width)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    batch = torch.arange(count)[:, None, None]
    picked: Tensor = images.permute(0, 2, 3, 1)[
        batch.to(images.device),
        rows[:, :, None].to(images.device),
        columns[:, None, :].to(images.device),
    ]
    return picked.permute(0, 3, 1, 2).float()  # a view of [B, H, W, 3]: channels_last for free


def _places(length: int, scale: Tensor, shift: Tensor) -> Tensor:
    """Return source positions [B, length], scaled about the middle, shifted, kept inside."""
    middle = (length - 1) / 2
    places = (torch.arange(length) - middle) * scale[:, None] + middle + shift
    return places.round().clamp_(0, length - 1).long()


def _jitter(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Vary brightness, contrast and saturation by up to `strength`, in this order."""
    factors = 1 + strength * _uniform(3 * len(images), random)
    brightness, contrast, saturation = factors.to(images.device).view(3, -1, 1, 1, 1)
    weights = torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)
    grey = (images * weights).sum(dim=1, keepdim=True) * brightness
    mean = grey.mean(dim=(2, 3), keepdim=True)
    # Contrast moves a pixel from the mean grey, saturation from its own grey; both at once here.
    grey = mean + contrast * (grey - mean)
    coloured = mean + contrast * (images * brightness - mean)
    jittered: Tensor = grey + saturation * (coloured - grey)
    return jittered.clamp_(0, 255)


def _uniform(count: int, random: torch.Generator) -> Tensor:
    """Return `count` numbers in -1..1."""
    return torch.rand(count, generator=random) * 2 - 1
