"""Prototypical networks: a class is the mean of its support, logits are negative distances.

Cosine to the prototypes times a scale that is learnt: the classifier of Meta-Baseline.

Squared distances to the prototypes times a scale that is learnt.

SimpleShot: the nearest class mean, by direction.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def prototype_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D].

    The prototype is the mean of a class's support embeddings (Snell et al., NeurIPS 2017, eq. 1),
    the logit the negative SQUARED Euclidean distance to it, summed over features, without a
    temperature (eq. 2). The differences are formed before they are squared: the shorter way over
    inner products loses digits where distances are small against the embeddings.
    """
    prototypes = support.mean(dim=2)
    return -(query[:, :, None, :] - prototypes[:, None, :, :]).square().sum(dim=-1)


COSINE_SCALE = (
    10.0  # where it starts, as in Meta-Baseline; it changes losses, never which class is first
)


def cosine(support: Tensor, query: Tensor) -> Tensor:
    """Return the cosine [E, Q, way] of each query to the mean of each class's support."""
    prototypes = F.normalize(support.mean(dim=2), dim=-1)
    return F.normalize(query, dim=-1) @ prototypes.mT


class CosinePrototypes(nn.Module):
    """Logits t * cos(q, m_c), m_c the mean of class c's support and t a scale that is learnt (Chen
    et al., Meta-Baseline, ICCV 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(COSINE_SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * cosine(support, query)


EUCLIDEAN_SCALE = (
    5.0  # at unit length 5 |q - m|^2 = 5 + 5 |m|^2 - 10 <q, m>: as sharp as 10 times the cosine
)


class EuclideanPrototypes(nn.Module):
    """Logits -t * |q - m_c|^2, m_c the mean of class c's support (Snell et al., NeurIPS 2017, eq. 1
    and 2) and t a scale that is learnt, as Meta-Baseline (Chen et al., ICCV 2021) has one.

    It starts at SCALE, which suits embeddings of unit length; on longer ones the softmax is sharper
    from the first step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(EUCLIDEAN_SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * prototype_logits(support, query)


def simpleshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return SCALE times the cosine [E, Q, way] to the class means (Wang et al., SimpleShot,
    arXiv:1911.04623).

    Their rule is argmin over classes c of |q - m_c|, with m_c the mean of a class's support and
    embeddings centred and at unit length (CL2N). There |q - m|^2 = 1 + |m|^2 - 2 <q, m>; the cosine
    leaves out the length of m, as easyfsl does. At one shot both have the same order.
    """
    return COSINE_SCALE * cosine(support, query)
