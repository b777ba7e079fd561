"""Any network of timm's as an encoder (the extra `timm`)."""

import difflib
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from fewshot_fer.errors import ConfigError
from fewshot_fer.models.encoder_input import Encoder, EncoderInput
from fewshot_fer.models.weight_files import load_weights

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
