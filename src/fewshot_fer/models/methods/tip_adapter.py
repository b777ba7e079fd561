"""Tip-Adapter: a cache of the support's labels beside the weights of a classifier."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.registry import register_method

HEAD = "a classifier over training classes"  # what it uses beside a support
ALPHA = 1.0  # weight of the cache beside the classifier
AS_THEY_ARE = "a classifier takes embeddings as they are: add method.normalise=none"
BETA = 5.5  # how fast the cache forgets with distance: both are the paper's first choice


@register_method("tip_adapter", takes_head=True, refuses={"l2": AS_THEY_ARE, "cl2n": AS_THEY_ARE})
def cache_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return the cache's share of the logits [E, Q, way] from support [E, way, shot, D] and query
    [E, Q, D] (Zhang et al., Tip-Adapter, ECCV 2022, section 3).

    With f a query and F the support at unit length, and L its one-hot labels, the logits are

        ALPHA exp(-BETA (1 - f F^T)) L + f W^T

    The first term is this function. The second is the classifier's, where the paper has CLIP's text
    embeddings: a class that training knows has its own weights, a compound one the mean of the
    weights of its parts (see `Method.among`).
    """
    way, shot = support.shape[1:3]
    cosines = F.normalize(query, dim=-1) @ F.normalize(support.flatten(1, 2), dim=-1).mT
    affinity = torch.exp(-BETA * (1 - cosines))
    summed: Tensor = affinity.unflatten(-1, (way, shot)).sum(dim=-1)  # type: ignore[no-untyped-call]
    return ALPHA * summed
