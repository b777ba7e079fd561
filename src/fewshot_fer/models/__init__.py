"""Encoders (images to embeddings) and methods (embeddings to logits), chosen by name."""

from collections.abc import Callable

from torch import Tensor, nn

from fewshot_fer.config import BackboneConfig
from fewshot_fer.models.conv4 import Conv4
from fewshot_fer.models.protonet import prototype_logits

Method = Callable[[Tensor, Tensor], Tensor]
"""(support [E, way, shot, D], query [E, Q, D]) -> logits [E, Q, way]"""

METHODS: dict[str, Method] = {"protonet": prototype_logits}


def build_encoder(settings: BackboneConfig) -> nn.Module:
    """Return the encoder that conf/backbone names, with fresh weights from torch's random state."""
    return {"conv4": Conv4}[settings.name](filters=settings.filters)
