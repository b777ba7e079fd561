"""Parts that stand alone: methods as functions on tensors, encoders as modules, intervals."""

import torch
from torch import Tensor, nn

from fewshot_fer.config.schema import BackboneConfig
from fewshot_fer.evaluation.metrics import group_interval, mean_interval
from fewshot_fer.models.backbones.registry import build_encoder
from fewshot_fer.models.methods.registry import LogitsFunction, find_method, method_names
from fewshot_fer.models.preprocessing import normalise

__all__ = ["encoder", "group_interval", "mean_interval", "method", "methods"]


def methods() -> tuple[str, ...]:
    """Return the names of the methods that need no training."""
    return tuple(method_names(needs_no_training=True))


def method(name: str) -> LogitsFunction:
    """Return a method as a function: support [E, n_way, k_shot, D], query [E, Q, D] -> logits
    [E, Q, n_way]. Raises UserError for an unknown name.

    >>> import torch
    >>> logits = method("protonet")(torch.zeros(1, 2, 5, 8), torch.zeros(1, 6, 8))
    >>> tuple(logits.shape)
    (1, 6, 2)
    """
    return find_method(name).logits


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
