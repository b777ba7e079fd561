"""From the embeddings of an episode's images to logits, labels and loss."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models import Method


def query_labels(n_way: int, n_query: int, device: torch.device | None = None) -> Tensor:
    """Return labels [way * query]: the position of the class, all queries of a class together."""
    return torch.arange(n_way, device=device).repeat_interleave(n_query)


def episode_logits(embeddings: Tensor, n_way: int, k_shot: int, method: Method) -> Tensor:
    """Return logits [way * query, way] of one episode.

    embeddings [way * (shot + query), D]: all support class by class, then all queries the same.
    """
    n_support = n_way * k_shot
    support = embeddings[:n_support].reshape(1, n_way, k_shot, -1)
    return method(support, embeddings[None, n_support:])[0]


def episode_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-probability of the true class over the queries (eq. 2)."""
    return F.cross_entropy(logits, labels)
