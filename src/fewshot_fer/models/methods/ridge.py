"""Ridge regression of one-hot labels on the support (R2D2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.methods.registry import register_method

SCALE = 10.0  # of the logits at the start, as for cosines


@register_method("ridge", untrained=True, normalise="cl2n")
class RidgeRegression(nn.Module):
    """Ridge regression with an intercept, in closed form (R2D2 of Bertinetto et al., ICLR 2019).

    With X [N, D] the support and Y [N, way] its one-hot labels, both less their means,

        W = X^T (X X^T + penalty I)^-1 Y                     (by Woodbury's identity)

    and the logits of a query q are scale ((q - mean x) W + mean y). penalty and scale are learnt in
    episodes and start at 1 and SCALE; the first are scikit-learn's `Ridge`, times a scale that
    changes no prediction.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_penalty = nn.Parameter(torch.zeros(()))
        self.scale = nn.Parameter(torch.tensor(SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        way, shot = support.shape[1:3]
        flat = support.flatten(1, 2)
        mean = flat.mean(dim=1, keepdim=True)
        centred = flat - mean
        labels = one_hot(way, shot, flat) - 1 / way
        inner = centred @ centred.mT
        unit = torch.eye(way * shot, dtype=flat.dtype, device=flat.device)
        # solve_ex: `solve` itself waits for the GPU to tell whether the matrix is regular; it is.
        weights = torch.linalg.solve_ex(inner + self.log_penalty.exp() * unit, labels).result
        fitted: Tensor = (query - mean) @ centred.mT @ weights + 1 / way
        return self.scale * fitted


def one_hot(way: int, shot: int, like: Tensor) -> Tensor:
    """Return the labels [way * shot, way] of a support, class by class."""
    labels = torch.arange(way, device=like.device).repeat_interleave(shot)
    return F.one_hot(labels, way).to(like)
