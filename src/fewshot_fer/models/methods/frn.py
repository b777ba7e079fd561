"""FRN: how well the places of a query's maps are put together from those of each class."""

import torch
from torch import Tensor, nn

from fewshot_fer.models.methods.feature_maps import descriptors
from fewshot_fer.models.methods.registry import AS_MAPS, MAPS, register_method

SCALE = 10.0  # where the temperature starts: distances of descriptors of length 1 are 0 to 1
LEAST = 1e-6  # added to the penalty


@register_method("frn", on=MAPS, untrained=True, refuses=AS_MAPS)
class FRN(nn.Module):
    """Feature map reconstruction network (Wertheimer et al., CVPR 2021, section 3; equations as the
    authors' code numbers them).

    With S [k * r, d] the places of a class's k support maps (r places of d channels each) and Q
    [r, d] those of a query, the reconstruction is closed-form ridge regression,

        Q' = rho Q S^T (S S^T + lambda I)^-1 S         (eq. 8; by Woodbury, eq. 10, where k r > d)
        lambda = k r / d exp(alpha),  rho = exp(beta)

    and the logit is -scale times the mean over places of |Q - Q'|^2. alpha, beta and scale are
    learnt in episodes and start at 0, 0 and SCALE, where the paper's scale starts at 1; its
    auxiliary loss is not here. Descriptors are first divided by their root mean squared length in
    the support, so that lambda means the same for any encoder: the paper divides those of its
    ResNet-12 by sqrt(640).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.alpha, self.beta = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.scale = nn.Parameter(torch.tensor(SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from flattened maps, support [E, way, shot, C * H * W] and
        query [E, Q, C * H * W]."""
        of_class = descriptors(support, self.channels).flatten(2, 3)
        of_query = descriptors(query, self.channels)
        length = of_class.square().sum(dim=-1).mean(dim=(1, 2)).clamp_min(1e-12).sqrt()
        of_class = of_class / length[:, None, None, None]
        of_query = of_query / length[:, None, None, None]
        penalty = of_class.shape[2] / self.channels * self.alpha.exp() + LEAST
        flat = of_query.flatten(1, 2)
        rebuilt = self.beta.exp() * reconstruction(of_class, flat[:, None], penalty)
        distances = (rebuilt - flat[:, None]).square().sum(dim=-1)  # [E, way, Q * places]
        mean = distances.view(*distances.shape[:2], *of_query.shape[1:3]).mean(dim=-1)
        logits: Tensor = -self.scale * mean.mT
        return logits


def reconstruction(support: Tensor, query: Tensor, penalty: Tensor) -> Tensor:
    """Return rows [.., Q, d] put together from rows of support [.., S, d]: ridge regression of
    query [.., Q, d] on them with a penalty of the squared weights, whichever way is the smaller.

    solve_ex: `solve` itself waits for the GPU to tell whether the matrix is regular, which the
    penalty sees to.
    """
    rows, width = support.shape[-2:]
    unit = penalty * torch.eye(min(rows, width), dtype=support.dtype, device=support.device)
    if rows <= width:
        weights = torch.linalg.solve_ex(support @ support.mT + unit, support @ query.mT).result
        rebuilt: Tensor = weights.mT @ support
        return rebuilt
    inner = support.mT @ support
    projection: Tensor = torch.linalg.solve_ex(inner + unit, inner).result
    return query @ projection
