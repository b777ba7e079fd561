"""From packed uint8 pixels to what an encoder takes.

What an encoder's weights expect of an image, and how it is given that.

What is done to embeddings before they are compared: nothing, unit length, or centred too.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.system.errors import ConfigError

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


Triple = tuple[float, float, float]


@dataclass(frozen=True)
class EncoderInput:
    """image_size: pixels a side that the weights were made for; mean, std: of channels in 0..1, in
    the order in which the encoder takes them; bgr: blue first; channels_last: [B, side, side, 3];
    any_size: other sizes run too, if hardly as well."""

    image_size: int
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    bgr: bool = False
    channels_last: bool = False
    any_size: bool = True

    def require(self, name: str, image_size: int, accept: bool) -> None:
        """Raise ConfigError if images of another size are to be given to weights made for one."""
        if image_size == self.image_size or (accept and self.any_size):
            return
        leave = f"Leave backbone.image_size out, or give backbone.image_size={self.image_size}"
        if self.any_size:
            leave += ", or backbone.accept_size=true for images of another size all the same"
        raise ConfigError(
            f"backbone.image_size={image_size}: {name} was made for images of {self.image_size} "
            f"pixels a side. {leave}"
        )


class Encoder(nn.Module):
    """A network under the name that checkpoints use, given images as it expects them."""

    def __init__(self, network: nn.Module, takes: EncoderInput | None = None) -> None:
        super().__init__()
        self.network = network
        usual = takes is None or takes == EncoderInput(takes.image_size, any_size=takes.any_size)
        self.adapting = nn.Identity() if takes is None or usual else Adapting(takes)

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, D] of images [B, 3, side, side] as `normalise` gives them."""
        features: Tensor = self.network(self.adapting(images))
        return features


class Adapting(nn.Module):
    """From images by ImageNet's mean and deviation to those that an encoder expects."""

    scale: Tensor
    shift: Tensor

    def __init__(self, takes: EncoderInput) -> None:
        super().__init__()
        order = [2, 1, 0] if takes.bgr else [0, 1, 2]
        mean, std = (torch.tensor(values)[order] for values in (IMAGENET_MEAN, IMAGENET_STD))
        own_mean, own_std = torch.tensor(takes.mean), torch.tensor(takes.std)
        # (x * std + mean - own_mean) / own_std
        self.register_buffer("scale", (std / own_std).view(1, 3, 1, 1), persistent=False)
        shift = (mean - own_mean) / own_std
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)
        self.bgr, self.channels_last = takes.bgr, takes.channels_last

    def forward(self, images: Tensor) -> Tensor:
        """Return images [B, 3, side, side], or [B, side, side, 3], as the encoder has them."""
        if self.bgr:
            images = images.flip(1)
        images = images * self.scale + self.shift
        return images.permute(0, 2, 3, 1) if self.channels_last else images


KINDS = ("none", "l2", "cl2n")


@dataclass(frozen=True)
class Normalisation:
    """A map of embeddings, each on its own.

    kind: `none`; `l2`, x / |x|; `cl2n`, (x - mean) / |x - mean| (SimpleShot, Wang et al.,
    arXiv:1911.04623). mean [D]: for `cl2n`, of training images as they were embedded, never of
    those that are tested.
    """

    kind: str = "none"
    mean: Tensor | None = None

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return embeddings [..., D] normalised; one of no length stays as it is."""
        if self.kind == "none":
            return embeddings
        if self.kind == "cl2n":
            assert self.mean is not None
            embeddings = embeddings - self.mean.to(embeddings)
        return F.normalize(embeddings, dim=-1)

    def state(self) -> dict[str, Tensor]:
        """Return what, beside the encoder's weights, decides what an embedding is."""
        if self.kind == "none":
            return {}
        mean = torch.zeros(0) if self.mean is None else self.mean
        return {f"normalise.{self.kind}": mean}
