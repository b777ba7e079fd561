"""torchvision's networks as encoders, with ImageNet weights, weights from a file, or none.

Any network of timm's as an encoder (the extra `timm`).
"""

import difflib
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from fewshot_fer.models.backbones.weights import cut_head, load_weights
from fewshot_fer.models.preprocessing import Encoder, EncoderInput
from fewshot_fer.system.errors import ConfigError

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


PREFIX = "timm/"


def timm_input(name: str) -> EncoderInput:
    """Return what a network's own weights expect. Raises ConfigError for an unknown name."""
    known = _configuration(name)
    side = int(known.input_size[-1])
    mean, std = tuple(known.mean), tuple(known.std)
    return EncoderInput(side, mean, std, any_size=not known.fixed_input_size)


def build_timm(name: str, weights: str) -> nn.Module:
    """Return a network without its classifier, [B, D].

    weights: `imagenet` (timm's own for that name, downloaded on first use), `none`, or a file.
    Raises ConfigError where they cannot be had or do not fit, and says what to do.
    """
    timm, takes = _timm(), timm_input(name)
    plain = name.removeprefix(PREFIX)
    try:
        network = timm.create_model(plain, pretrained=weights == "imagenet", num_classes=0)
    except Exception as error:  # the hub's client raises what its transport raises
        if weights != "imagenet":
            raise
        hub = _configuration(name).hf_hub_id or "its hub"
        raise ConfigError(
            f"backbone.weights=imagenet: the weights of {name} cannot be downloaded. Fetch "
            f"model.safetensors of {hub} where there is a network, then give "
            f"backbone.weights=/path/model.safetensors, or train from scratch with "
            f"backbone.weights=none"
        ) from error
    if weights not in ("imagenet", "none"):
        head = _configuration(name).classifier
        load_weights(network, Path(weights).expanduser(), head if isinstance(head, str) else "")
    return Encoder(network, takes)


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            'backbone.name=timm/... needs timm: pip install "fewshot_fer[timm]"'
        ) from error
    return timm


def _configuration(name: str) -> Any:  # noqa: ANN401
    timm, plain = _timm(), name.removeprefix(PREFIX)
    if not timm.is_model(plain):
        near = difflib.get_close_matches(plain, timm.list_models(), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() names them"
        raise ConfigError(f"backbone.name={name}: timm has no {plain}; {hint}")
    return timm.get_pretrained_cfg(plain)
