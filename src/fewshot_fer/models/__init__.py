"""Encoders (images to embeddings) and methods (embeddings to logits), chosen by name."""

from collections.abc import Callable

from torch import Tensor, nn

from fewshot_fer.config import BackboneConfig
from fewshot_fer.models.conv4 import Conv4
from fewshot_fer.models.resnet import build_resnet

Method = Callable[[Tensor, Tensor], Tensor]
"""(support [E, way, shot, D], query [E, Q, D]) -> logits [E, Q, way]"""


def build_encoder(settings: BackboneConfig) -> nn.Module:
    """Return the encoder that conf/backbone names, on the CPU.

    Weights that are not loaded come from torch's random state. Raises ConfigError where weights
    cannot be had.
    """
    if settings.name == "conv4":
        return Conv4(filters=settings.filters)
    return build_resnet(settings.name, settings.weights)
