"""From the embeddings of episodes' images to logits, labels and losses."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models import Method


def query_labels(n_way: int, n_query: int, device: torch.device | None = None) -> Tensor:
    """Return labels [way * query]: the position of the class, all queries of a class together."""
    return torch.arange(n_way, device=device).repeat_interleave(n_query)


def episode_logits(embeddings: Tensor, n_way: int, k_shot: int, method: Method) -> Tensor:
    """Return logits [E, way * query, way] of E episodes.

    embeddings [E, way * (shot + query), D]: of an episode all support class by class, then all
    queries the same.
    """
    n_support = n_way * k_shot
    support = embeddings[:, :n_support].unflatten(1, (n_way, k_shot))  # type: ignore[no-untyped-call]
    return method(support, embeddings[:, n_support:])


def episode_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss [E] of each episode: the mean negative log-probability of the true class
    over its queries (Snell et al., NeurIPS 2017, eq. 2).

    logits [E, Q, way], labels [Q].
    """
    expected = labels.expand(len(logits), -1)
    each = F.cross_entropy(logits.flatten(0, 1), expected.flatten(), reduction="none")
    return each.view(len(logits), -1).mean(dim=1)
