"""torchvision's networks as encoders, with ImageNet weights, weights from a file, or none."""

import difflib
from pathlib import Path
from typing import Any

from torch import nn

from fewshot_fer.errors import ConfigError
from fewshot_fer.models.encoder_input import Encoder, EncoderInput
from fewshot_fer.models.weight_files import cut_head, load_weights

FIXED_SIZE = ("vit_", "maxvit", "swin_v2")  # names that begin so take one size only
OTHER_WAYS = ("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1")
"""Networks with answers in several places, or without a linear layer at the end."""


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification networks that can be an encoder."""
    from torchvision import models

    return [name for name in models.list_models(module=models) if name not in OTHER_WAYS]


def torchvision_input(name: str) -> EncoderInput:
    """Return what a network's ImageNet weights expect. Raises ConfigError for an unknown name."""
    how = _weights(name).transforms()
    side = int(how.crop_size[0])
    any_size = not name.startswith(FIXED_SIZE)
    return EncoderInput(side, tuple(how.mean), tuple(how.std), any_size=any_size)


def build_torchvision(name: str, weights: str) -> nn.Module:
    """Return a network of torchvision's that gives the features under its last linear layer, [B, D]
    (resnet18: 512, resnet50: 2,048, mobilenet_v2 and efficientnet_b0: 1,280, vit_b_16: 768).

    weights: `imagenet` (downloaded by torchvision on first use), `none`, or a file. Raises
    ConfigError where they cannot be had or do not fit, and says what to do.
    """
    from torchvision import models

    takes = torchvision_input(name)
    network = models.get_model(name, weights=None)
    if weights == "imagenet":
        network.load_state_dict(_imagenet_weights(name))
    head = cut_head(network, name)
    if weights not in ("imagenet", "none"):
        load_weights(network, Path(weights).expanduser(), head)
    return Encoder(network, takes)


def _weights(name: str) -> Any:  # noqa: ANN401
    from torchvision import models

    known = torchvision_names()
    if name not in known:
        near = difflib.get_close_matches(name, ["conv4", "resnet12", *known], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "see backbone= in the README"
        raise ConfigError(
            f"backbone.name={name} is not known; {hint} Others: timm/NAME for any of timm's, file "
            f"for a file with a card"
        )
    return models.get_model_weights(name).DEFAULT


def _imagenet_weights(name: str) -> dict[str, Any]:
    weights = _weights(name)
    try:
        state: dict[str, Any] = weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        file = Path(weights.url).name
        raise ConfigError(
            f"backbone.weights=imagenet: {file} cannot be downloaded ({error}). Fetch "
            f"{weights.url} where there is a network, then give backbone.weights=/path/{file}, "
            f"or train from scratch with backbone.weights=none"
        ) from error
    return state
