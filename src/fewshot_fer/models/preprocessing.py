"""Preprocessing before and after an encoder: of pixels, of what weights expect, of embeddings."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import KINDS as KINDS
from fewshot_fer.system.errors import ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Triple = tuple[float, float, float]


def preprocessing() -> dict[str, Any]:
    """Return the constants of `normalise`, to be stored in a checkpoint."""
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


@dataclass(frozen=True)
class EncoderInput:
    """The images that an encoder's weights expect.

    image_size: pixels a side; mean, std: of channels in 0..1, in the order in which the encoder
    takes them; bgr: blue first; channels_last: [B, side, side, 3]; any_size: other sizes run too.
    """

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
    """A network, under the name that checkpoints use, behind the conversion to its input."""

    def __init__(self, network: nn.Module, expected: EncoderInput) -> None:
        super().__init__()
        self.network = network
        usual = EncoderInput(expected.image_size, any_size=expected.any_size)
        self.convert = nn.Identity() if expected == usual else InputConversion(expected)

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, D] of images [B, 3, side, side] as `normalise` gives them."""
        features: Tensor = self.network(self.convert(images))
        return features


class InputConversion(nn.Module):
    """Converts images by ImageNet's mean and deviation to those that an encoder expects."""

    scale: Tensor
    shift: Tensor

    def __init__(self, expected: EncoderInput) -> None:
        super().__init__()
        order = [2, 1, 0] if expected.bgr else [0, 1, 2]
        mean, std = (torch.tensor(values)[order] for values in (IMAGENET_MEAN, IMAGENET_STD))
        own_mean, own_std = torch.tensor(expected.mean), torch.tensor(expected.std)
        # (x * std + mean - own_mean) / own_std
        self.register_buffer("scale", (std / own_std).view(1, 3, 1, 1), persistent=False)
        shift = (mean - own_mean) / own_std
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)
        self.bgr, self.channels_last = expected.bgr, expected.channels_last

    def forward(self, images: Tensor) -> Tensor:
        """Return images [B, 3, side, side], or [B, side, side, 3], as the encoder expects them."""
        if self.bgr:
            images = images.flip(1)
        images = images * self.scale + self.shift
        return images.permute(0, 2, 3, 1) if self.channels_last else images


@dataclass(frozen=True)
class Normalisation:
    """Normalisation of embeddings, each on its own, before they are compared.

    kind: `none`; `l2`, x / |x|; `cl2n`, (x - mean) / |x - mean| (SimpleShot, Wang et al.,
    arXiv:1911.04623). mean [D]: for `cl2n`, of training images as they were embedded, never of
    those that are tested.
    """

    kind: str = "none"
    mean: Tensor | None = None

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return embeddings [..., D] normalised; one of length 0 stays as it is."""
        if self.kind == "none":
            return embeddings
        if self.kind == "cl2n":
            assert self.mean is not None
            embeddings = embeddings - self.mean.to(embeddings)
        return F.normalize(embeddings, dim=-1)

    def state(self) -> dict[str, Tensor]:
        """Return what determines an embedding beside the encoder's weights."""
        if self.kind == "none":
            return {}
        mean = torch.zeros(0) if self.mean is None else self.mean
        return {f"normalise.{self.kind}": mean}
