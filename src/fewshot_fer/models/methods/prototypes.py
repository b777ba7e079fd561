"""Nearest class mean: prototypical networks, SimpleShot, and both with a learnt scale."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.methods.registry import register_method

COSINE_SCALE = 10.0  # as Meta-Baseline starts; it changes losses, never which class is first
EUCLIDEAN_SCALE = 5.0
"""At unit length 5 |q - m|^2 = 5 + 5 |m|^2 - 10 <q, m>: as sharp as 10 times the cosine."""
AS_THEY_ARE = (
    "a classifier answers on its embeddings as they are: add train=supervised; or take "
    "train=pretrain with method=protonet"
)


@register_method(
    "classifier", supervised=True, refuses={"l2": AS_THEY_ARE, "cl2n": AS_THEY_ARE}
)  # in episodes: the nearest prototype on its features
@register_method("protonet", learns=True, of_means=True)
def prototype_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D].

    The prototype is the mean of a class's support embeddings (Snell et al., NeurIPS 2017, eq. 1),
    the logit the negative SQUARED Euclidean distance to it, summed over features, without a
    temperature (eq. 2). The differences are formed before they are squared: the shorter way over
    inner products loses digits where distances are small against the embeddings.
    """
    prototypes = support.mean(dim=2)
    return -(query[:, :, None, :] - prototypes[:, None, :, :]).square().sum(dim=-1)


@register_method("simpleshot", normalise="cl2n", learns=True, of_means=True)
def simpleshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return COSINE_SCALE times the cosine [E, Q, way] to the class means (Wang et al., SimpleShot,
    arXiv:1911.04623).

    Their rule is argmin over classes c of |q - m_c|, with m_c the mean of a class's support and
    embeddings centred and at unit length (CL2N). There |q - m|^2 = 1 + |m|^2 - 2 <q, m>; the cosine
    leaves out the length of m, as easyfsl does. At one shot both have the same order.
    """
    return COSINE_SCALE * cosine(support, query)


@register_method("cosine", of_means=True)
class CosinePrototypes(nn.Module):
    """Logits t * cos(q, m_c), m_c the mean of class c's support and t a scale that is learnt (Chen
    et al., Meta-Baseline, ICCV 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(COSINE_SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * cosine(support, query)


@register_method("euclidean", of_means=True)
class EuclideanPrototypes(nn.Module):
    """Logits -t * |q - m_c|^2, m_c the mean of class c's support (Snell et al., NeurIPS 2017, eq. 1
    and 2) and t a scale that is learnt, as Meta-Baseline (Chen et al., ICCV 2021) has one.

    It starts at EUCLIDEAN_SCALE, which suits embeddings of unit length; on longer ones the softmax
    is sharper from the first step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(EUCLIDEAN_SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * prototype_logits(support, query)


def cosine(support: Tensor, query: Tensor) -> Tensor:
    """Return the cosine [E, Q, way] of each query to the mean of each class's support."""
    prototypes = F.normalize(support.mean(dim=2), dim=-1)
    return F.normalize(query, dim=-1) @ prototypes.mT


def fitted_prototypes(
    start: Tensor, loss: Callable[[Tensor], Tensor], steps: int, lr: float
) -> Tensor:
    """Return prototypes [E, way, D] after so many steps of Adam from `start` down a loss.

    loss: prototypes -> a sum over episodes, so that none changes another's step.
    """
    fitted = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([fitted], lr=lr, fused=True)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(fitted).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return fitted.detach()
