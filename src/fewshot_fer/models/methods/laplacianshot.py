"""LaplacianShot: queries that lie near one another should get the same label."""

import torch
from torch import Tensor

from fewshot_fer.models.methods.bdcspn import rectified

NEIGHBOURS = 3  # the query itself is one
STEPS = 20
WEIGHT = 0.7  # of agreeing with neighbours
CLOSE = 1e-6  # relative change of the bound that ends an episode's updates
LEAST = 1e-12


def laplacianshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] (Ziko et al., ICML 2020, algorithm 1).

    Prototypes are rectified as BD-CSPN does, as the authors' code has it.
    """
    costs = torch.cdist(query, rectified(support, query)).square()
    near = affinities(query)
    assigned = (-costs).softmax(dim=-1)
    bound = costs.new_full((len(costs),), torch.inf)
    over = torch.zeros(len(costs), dtype=torch.bool, device=costs.device)
    for step in range(STEPS):
        new = (WEIGHT * near @ assigned - costs).softmax(dim=-1)
        assigned = torch.where(over[:, None, None], assigned, new)
        lower = _bound(assigned, costs, near)
        if step > 1:
            over = over | ((lower - bound).abs() <= CLOSE * bound.abs())
        bound = lower
        if over.all():
            break
    return (assigned + LEAST).log()


def affinities(features: Tensor) -> Tensor:
    """Return 1 where column j is among the nearest of row i, else 0, [E, Q, Q]: W of the paper."""
    count = min(NEIGHBOURS, features.shape[1])
    nearest = torch.cdist(features, features).topk(count, largest=False).indices[..., 1:]
    return features.new_zeros((*features.shape[:2], features.shape[1])).scatter(-1, nearest, 1.0)


def _bound(assigned: Tensor, costs: Tensor, near: Tensor) -> Tensor:
    """Return the bound [E] that each update lowers (eq. 7)."""
    each = (assigned + LEAST).log() + costs - WEIGHT * (near @ assigned)
    return (assigned * each).sum(dim=(1, 2))
