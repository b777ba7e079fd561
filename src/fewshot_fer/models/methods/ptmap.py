"""PT-MAP: every class gets its share of the queries, at the least transport."""

import torch
from torch import Tensor

STEPS = 10
RATE = 0.2  # at which prototypes move
SHARPNESS = 10.0
POWER = 0.5
LARGEST_STEPS = 1000  # of Sinkhorn and Knopp's scaling
CLOSE = 1e-6
LEAST = 1e-10


def ptmap_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] of queries to classes that share them evenly (Hu, Gripon
    and Pateux, arXiv:2006.03806, eq. 1, 3 and 6 and algorithm 1).

    Takes embeddings that are not negative, at unit length: their square root is what is compared.
    It knows that an episode asks every class equally often, more than other methods are told.
    """
    own, asked = _powered(support), _powered(query)
    prototypes, shot = own.mean(dim=2), own.shape[2]
    for _ in range(STEPS):
        assigned = transported(asked, prototypes)
        summed = own.sum(dim=2) + assigned.mT @ asked
        moved = summed / (shot + assigned.sum(dim=1))[..., None]
        prototypes = prototypes + RATE * (moved - prototypes)
    return (transported(asked, prototypes) + LEAST).log()


def transported(query: Tensor, prototypes: Tensor) -> Tensor:
    """Return the plan [E, Q, way]: rows add up to 1 and columns to the queries a class."""
    plan = (-SHARPNESS * torch.cdist(query, prototypes).square()).exp()
    plan = plan / plan.sum(dim=(1, 2), keepdim=True)
    share = query.shape[1] // prototypes.shape[1]
    going = torch.ones(len(plan), 1, 1, dtype=torch.bool, device=plan.device)
    for _ in range(LARGEST_STEPS):
        rows = plan.sum(dim=2, keepdim=True)
        new = plan / (rows + LEAST)
        new = new * (share / (new.sum(dim=1, keepdim=True) + LEAST))
        plan = torch.where(going, new, plan)
        change = (rows - new.sum(dim=2, keepdim=True)).abs().amax(dim=(1, 2), keepdim=True)
        going = going & (change >= CLOSE)
        if not going.any():
            break
    return plan


def _powered(embeddings: Tensor) -> Tensor:
    return (embeddings.relu() + 1e-6).pow(POWER)
