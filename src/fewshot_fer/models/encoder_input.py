"""What an encoder's weights expect of an image, and how it is given that."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewshot_fer.errors import ConfigError
from fewshot_fer.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

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
