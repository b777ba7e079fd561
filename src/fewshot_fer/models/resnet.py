"""torchvision's ResNets as encoders, with ImageNet weights, weights from a file, or none."""

from pathlib import Path

import torch
from torch import Tensor, nn

from fewshot_fer.errors import ConfigError

NAMES = ("resnet18", "resnet50")


def build_resnet(name: str, weights: str) -> nn.Module:
    """Return a ResNet (He et al., CVPR 2016) that gives its pooled features, [B, 512] or [B, 2048].

    weights: `imagenet` (downloaded by torchvision on first use), `none`, or a file that torchvision
    saved. Raises ConfigError where they cannot be had or do not fit, and says what to do.
    """
    import torchvision

    network = getattr(torchvision.models, name)(weights=None)
    if weights == "imagenet":
        network.load_state_dict(_imagenet_weights(name))
    elif weights != "none":
        _load_file(network, Path(weights).expanduser())
    network.fc = nn.Identity()
    return Encoder(network)


class Encoder(nn.Module):
    """A network under the name that checkpoints use."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings [B, D] of normalised images [B, 3, side, side]."""
        features: Tensor = self.network(images)
        return features


def _imagenet_weights(name: str) -> dict[str, Tensor]:
    import torchvision

    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        file = Path(weights.url).name
        raise ConfigError(
            f"backbone.weights=imagenet: {file} cannot be downloaded ({error}). Fetch "
            f"{weights.url} where there is a network, then give backbone.weights=/path/{file}, "
            f"or train from scratch with backbone.weights=none"
        ) from error
    return state


def _load_file(network: nn.Module, file: Path) -> None:
    if not file.is_file():
        raise ConfigError(f"backbone.weights={file} is not a file: give a path, imagenet or none")
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as e:  # torch has no one class for what it meets in a strange file
        reason = " ".join(str(e).split())[:200]
        raise ConfigError(f"backbone.weights={file} does not fit the network: {reason}") from e
