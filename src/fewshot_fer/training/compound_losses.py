"""The loss of synthetic compounds: a mixed picture belongs to the composition of its parts.

Among the compositions of all pairs of expressions it is drawn to its own, by a softmax over what
they score. Classes of known parts are told apart so by Misra et al. (From red wine to red tomato,
CVPR 2017) and Purushwalkam et al. (ICCV 2019). A plain distance to its own composition would be
smallest where all embeddings are one and the same.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.registry import LogitsFunction
from fewshot_fer.training.compounds import MixedBatch, class_pairs


def pair_losses(logits: Tensor, pairs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss [M] of mixed pictures by the logits [M, C] of a classifier.

    The classes' weights are the prototypes, and those of a pair [P, 2] are the mean of its two:
    the logit of a pair is the mean of its parts'. labels [M]: numbers of pairs.
    """
    return F.cross_entropy(logits[:, pairs].mean(dim=-1), labels, reduction="none")


def episode_pair_losses(
    support: Tensor, embeddings: Tensor, mixed: MixedBatch, method: LogitsFunction
) -> Tensor:
    """Return the loss [E] of each episode's mixed pictures, by the method that compares queries.

    support [E, way, shot, D], embeddings [E, M, D] of the mixed pictures. The prototype of a pair
    is the mean of its two; pairs of classes that compounds are not made of are left out.
    """
    assert mixed.allowed is not None
    pairs = torch.from_numpy(class_pairs(range(support.shape[1]))).to(support.device)
    composed = support.mean(dim=2)[:, pairs].mean(dim=2)  # [E, P, D]
    possible = mixed.allowed[:, pairs].all(dim=-1)[:, None]
    logits = method(composed[:, :, None], embeddings).masked_fill(~possible, -torch.inf)
    labels = mixed.labels
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(dim=1)
