"""From packed uint8 pixels to what an encoder takes."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def preprocessing() -> dict[str, Any]:
    """Return what `normalise` does, in words and numbers that a checkpoint can carry."""
    return {"scale": 1 / 255, "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}


def normalise(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return images [B, 3, H, W], uint8 or float in 0..255, scaled to 0..1 and then by ImageNet's
    mean and standard deviation of each channel, in channels_last memory."""
    mean, std = _constants(dtype, images.device)
    # Computed as the images lie: in channels_last each run of equal constants is one number long.
    scaled = images.to(dtype, copy=True).div_(255).sub_(mean).div_(std)
    return scaled.contiguous(memory_format=torch.channels_last)


@lru_cache
def _constants(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and std [1, 3, 1, 1], made once: a captured CUDA graph may not copy them."""
    with torch.inference_mode(False):
        mean = torch.tensor(IMAGENET_MEAN, dtype=dtype, device=device).view(1, 3, 1, 1)
        std = torch.tensor(IMAGENET_STD, dtype=dtype, device=device).view(1, 3, 1, 1)
    return mean, std
