"""Baselines of what is reached without a trained encoder: class frequency, pixels, random weights.

They say how much of a figure any method gets for nothing: a few-shot result is worth what it lies
above them.
"""

import torch
from torch import Tensor

from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import PIXELS, UNTRAINED, register_method

OF_EMBEDDINGS = {
    "cl2n": "the training mean is of a trained encoder's embeddings: add method.normalise=none"
}

# The nearest class mean, of pixels and of the same encoder as it is before anything is learnt.
register_method("raw_pixels", on=PIXELS, is_floor=True, of_means=True, refuses=OF_EMBEDDINGS)(
    prototype_logits
)
register_method(
    "untrained_encoder", on=UNTRAINED, is_floor=True, of_means=True, refuses=OF_EMBEDDINGS
)(prototype_logits)


@register_method("class_frequency", is_floor=True, of_means=True)
def frequency_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return the same logits [E, Q, way] for all queries: no picture is looked at.

    The logarithm of how often classes occur is added where that differs, on a fixed support, which
    makes the majority class the prediction. In episodes all classes are as frequent as each other:
    the first position is predicted, which is chance.
    """
    return torch.zeros(*query.shape[:2], support.shape[1], dtype=query.dtype, device=query.device)
