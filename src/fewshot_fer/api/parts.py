"""Parts that stand alone: methods as functions on tensors, encoders as modules, intervals."""

import torch
from torch import Tensor, nn

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.evaluation.metrics import group_interval, mean_interval
from fewshot_fer.models.backbones.registry import build_encoder
from fewshot_fer.models.methods.method import untrained_method
from fewshot_fer.models.methods.registry import (
    FEATURES,
    MAPS,
    TRUNK,
    LogitsFunction,
    find_method,
    method_names,
)
from fewshot_fer.models.preprocessing import normalise
from fewshot_fer.system.errors import ConfigError

__all__ = ["encoder", "group_interval", "mean_interval", "method", "methods"]


def methods() -> tuple[str, ...]:
    """Return the names of the methods that need no training, and nothing but embeddings."""
    return method_names(needs_no_training=True, takes_head=False, on=FEATURES)


def method(name: str, maps: tuple[int, int, int] | None = None) -> LogitsFunction:
    """Return a method as a function: support [E, n_way, k_shot, D], query [E, Q, D] -> logits
    [E, Q, n_way].

    maps: channels, height and width of the feature maps that D is the flattened form of, for dn4,
    frn and deepbdc. Raises UserError for an unknown name, and for a method that takes more than
    this: weights that episodes train, or an encoder.

    >>> import torch
    >>> logits = method("protonet")(torch.zeros(1, 2, 5, 8), torch.zeros(1, 6, 8))
    >>> tuple(logits.shape)
    (1, 6, 2)
    """
    known = find_method(name)
    if known.on == MAPS and maps is None:
        raise ConfigError(f"method={name} compares maps: give maps=(channels, height, width)")
    if known.needs_episodes or known.takes_head or known.on == TRUNK:
        raise ConfigError(f"method={name} takes more than embeddings: evaluate a run with it")
    channels, height, width = maps or (0, 0, 0)
    return untrained_method(name, channels * height * width, channels).logits


def encoder(name: str = "conv4", image_size: int = 84, weights: str = "none") -> nn.Module:
    """Return an encoder: images [B, 3, image_size, image_size], 0..255, -> embeddings [B, D].

    weights: none, imagenet, packaged or a file. Raises UserError for what cannot be built.
    """
    settings = BackboneConfig(name, image_size=image_size, weights=weights)
    return nn.Sequential(Prepared(), build_encoder(settings))


class Prepared(nn.Module):
    """Scales pixels of 0..255, of any type, as encoders are trained on them."""

    def forward(self, images: Tensor) -> Tensor:
        """Return float images of the same shape."""
        dtype = images.dtype if images.is_floating_point() else torch.get_default_dtype()
        return normalise(images, dtype)
