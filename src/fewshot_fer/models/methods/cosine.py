"""Cosine to the prototypes times a scale that is learnt: the classifier of Meta-Baseline."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALE = 10.0  # where it starts, as in Meta-Baseline; it changes losses, never which class is first


def cosine(support: Tensor, query: Tensor) -> Tensor:
    """Return the cosine [E, Q, way] of each query to the mean of each class's support."""
    prototypes = F.normalize(support.mean(dim=2), dim=-1)
    return F.normalize(query, dim=-1) @ prototypes.mT


class CosinePrototypes(nn.Module):
    """Logits t * cos(q, m_c), m_c the mean of class c's support and t a scale that is learnt (Chen
    et al., Meta-Baseline, ICCV 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * cosine(support, query)
