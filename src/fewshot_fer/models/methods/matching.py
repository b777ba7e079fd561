"""Matching Networks: a query takes its label from the support images that it resembles."""

from torch import Tensor
from torch.nn import functional as F

LEAST = 1e-6  # added to a probability before its logarithm


def matching_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-probabilities [E, Q, way]: the attention over support images, by their direction,
    summed over each class (Vinyals et al., NeurIPS 2016, eq. 1 and section 2.1.1).

    p(c | q) = sum over i of class c of softmax_i(<q, s_i / |s_i|>). The query keeps its length,
    which makes the attention as sharp as embeddings are long; in the paper it is a cosine.
    """
    way, shot = support.shape[1:3]
    directions = F.normalize(support.flatten(1, 2), dim=-1)
    attention = (query @ directions.mT).softmax(dim=-1)
    summed: Tensor = attention.view(*attention.shape[:-1], way, shot).sum(dim=-1)
    return (summed + LEAST).log()
