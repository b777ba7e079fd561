"""Squared distances to the prototypes times a scale that is learnt."""

import torch
from torch import Tensor, nn

from fewshot_fer.models.protonet import prototype_logits

SCALE = 5.0  # at unit length 5 |q - m|^2 = 5 + 5 |m|^2 - 10 <q, m>: as sharp as 10 times the cosine


class EuclideanPrototypes(nn.Module):
    """Logits -t * |q - m_c|^2, m_c the mean of class c's support (Snell et al., NeurIPS 2017, eq. 1
    and 2) and t a scale that is learnt, as Meta-Baseline (Chen et al., ICCV 2021) has one.

    It starts at SCALE, which suits embeddings of unit length; on longer ones the softmax is sharper
    from the first step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * prototype_logits(support, query)
