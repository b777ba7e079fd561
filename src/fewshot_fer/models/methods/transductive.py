"""BD-CSPN: prototypes corrected by the queries that they answer.

LaplacianShot: queries that lie near one another should get the same label.

TIM: prototypes fitted to the support and to answers that are sure, and spread over classes.

PT-MAP: every class gets its share of the queries, at the least transport.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.prototypes import COSINE_SCALE


def rectified(support: Tensor, query: Tensor) -> Tensor:
    """Return prototypes [E, way, D] that the queries have a part in.

    Queries q are shifted so that their mean is the support's (cross-class bias, Liu et al., ECCV
    2020); a class is then the weighted mean of its support and of the queries that are given to it,
    each x with the weight exp(cos(x, m_c)), m_c the mean of its support (intra-class bias).
    """
    way = support.shape[1]
    flat, prototypes = support.flatten(1, 2), F.normalize(support.mean(dim=2), dim=-1)
    query = query + flat.mean(dim=1, keepdim=True) - query.mean(dim=1, keepdim=True)
    to_query = (F.normalize(query, dim=-1) @ prototypes.mT).exp()
    given = F.one_hot(to_query.argmax(dim=-1), way).to(query)
    to_support = (F.normalize(support, dim=-1) * prototypes[:, :, None]).sum(dim=-1).exp()
    own, theirs = to_support, to_query * given
    whole = own.sum(dim=2) + theirs.sum(dim=1)
    summed = (own[..., None] * support).sum(dim=2) + theirs.mT @ query
    return summed / whole[..., None]


def bdcspn_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return SCALE times the cosine [E, Q, way] of queries to rectified prototypes.

    The queries themselves are compared as they are, as easyfsl does; where support and query come
    from the same images, the shift is small.
    """
    prototypes = F.normalize(rectified(support, query), dim=-1)
    return COSINE_SCALE * F.normalize(query, dim=-1) @ prototypes.mT


LAPLACIAN_NEIGHBOURS = 3  # the query itself is one
LAPLACIAN_STEPS = 20
LAPLACIAN_WEIGHT = 0.7  # of agreeing with neighbours
LAPLACIAN_CLOSE = 1e-6  # relative change of the bound that ends an episode's updates
LAPLACIAN_LEAST = 1e-12


def laplacianshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] (Ziko et al., ICML 2020, algorithm 1).

    Prototypes are rectified as BD-CSPN does, as the authors' code has it.
    """
    costs = torch.cdist(query, rectified(support, query)).square()
    near = affinities(query)
    assigned = (-costs).softmax(dim=-1)
    bound = costs.new_full((len(costs),), torch.inf)
    over = torch.zeros(len(costs), dtype=torch.bool, device=costs.device)
    for step in range(LAPLACIAN_STEPS):
        new = (LAPLACIAN_WEIGHT * near @ assigned - costs).softmax(dim=-1)
        assigned = torch.where(over[:, None, None], assigned, new)
        lower = _bound(assigned, costs, near)
        if step > 1:
            over = over | ((lower - bound).abs() <= LAPLACIAN_CLOSE * bound.abs())
        bound = lower
        if over.all():
            break
    return (assigned + LAPLACIAN_LEAST).log()


def affinities(features: Tensor) -> Tensor:
    """Return 1 where column j is among the nearest of row i, else 0, [E, Q, Q]: W of the paper."""
    count = min(LAPLACIAN_NEIGHBOURS, features.shape[1])
    nearest = torch.cdist(features, features).topk(count, largest=False).indices[..., 1:]
    return features.new_zeros((*features.shape[:2], features.shape[1])).scatter(-1, nearest, 1.0)


def _bound(assigned: Tensor, costs: Tensor, near: Tensor) -> Tensor:
    """Return the bound [E] that each update lowers (eq. 7)."""
    each = (assigned + LAPLACIAN_LEAST).log() + costs - LAPLACIAN_WEIGHT * (near @ assigned)
    return (assigned * each).sum(dim=(1, 2))


TIM_STEPS = 50
LR = 1e-4
TEMPERATURE = 10.0
CONDITIONAL = 0.1  # weight of being sure of each answer
TIM_LEAST = 1e-12


def tim_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return TEMPERATURE times the cosine [E, Q, way] to prototypes after STEPS steps of Adam on
    cross-entropy of the support minus mutual information of the queries and their answers (TIM-GD
    of Boudiaf et al., NeurIPS 2020):

        CE(support) - H(mean of p over the queries) + CONDITIONAL * mean of H(p of a query)

    STEPS, LR and the cosine are easyfsl's. The authors go 1,000 steps, so prototypes move further
    there, at twenty times the cost.
    """
    way, shot = support.shape[1:3]
    own = F.normalize(support.flatten(1, 2), dim=-1)
    asked = F.normalize(query, dim=-1)
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    with torch.inference_mode(False), torch.enable_grad():
        own, asked = own.clone(), asked.clone()
        prototypes = support.mean(dim=2).clone().requires_grad_()
        optimiser = torch.optim.Adam([prototypes], lr=LR, fused=True)
        for _ in range(TIM_STEPS):
            to_class = TEMPERATURE * F.normalize(prototypes, dim=-1).mT
            loss = _loss(own @ to_class, asked @ to_class, labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return TEMPERATURE * asked @ F.normalize(prototypes.detach(), dim=-1).mT


def _loss(own: Tensor, asked: Tensor, labels: Tensor) -> Tensor:
    """Return the loss summed over episodes, so that none changes another's step.

    own [E, S, way] and asked [E, Q, way]: logits.
    """
    flat = own.flatten(0, 1)
    fitted = F.cross_entropy(flat, labels.repeat(len(own)), reduction="none").sum() / len(labels)
    answers = asked.softmax(dim=-1)
    unsure = -(answers * (answers + TIM_LEAST).log()).sum(dim=-1).mean(dim=-1)
    mean = answers.mean(dim=1)
    spread = -(mean * mean.log()).sum(dim=-1)
    return fitted + (CONDITIONAL * unsure - spread).sum()


PTMAP_STEPS = 10
RATE = 0.2  # at which prototypes move
SHARPNESS = 10.0
POWER = 0.5
LARGEST_STEPS = 1000  # of Sinkhorn and Knopp's scaling
PTMAP_CLOSE = 1e-6
PTMAP_LEAST = 1e-10


def ptmap_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] of queries to classes that share them evenly (Hu, Gripon
    and Pateux, arXiv:2006.03806, eq. 1, 3 and 6 and algorithm 1).

    Takes embeddings that are not negative, at unit length: their square root is what is compared.
    It knows that an episode asks every class equally often, more than other methods are told.
    """
    own, asked = _powered(support), _powered(query)
    prototypes, shot = own.mean(dim=2), own.shape[2]
    for _ in range(PTMAP_STEPS):
        assigned = transported(asked, prototypes)
        summed = own.sum(dim=2) + assigned.mT @ asked
        moved = summed / (shot + assigned.sum(dim=1))[..., None]
        prototypes = prototypes + RATE * (moved - prototypes)
    return (transported(asked, prototypes) + PTMAP_LEAST).log()


def transported(query: Tensor, prototypes: Tensor) -> Tensor:
    """Return the plan [E, Q, way]: rows add up to 1 and columns to the queries a class."""
    plan = (-SHARPNESS * torch.cdist(query, prototypes).square()).exp()
    plan = plan / plan.sum(dim=(1, 2), keepdim=True)
    share = query.shape[1] // prototypes.shape[1]
    going = torch.ones(len(plan), 1, 1, dtype=torch.bool, device=plan.device)
    for _ in range(LARGEST_STEPS):
        rows = plan.sum(dim=2, keepdim=True)
        new = plan / (rows + PTMAP_LEAST)
        new = new * (share / (new.sum(dim=1, keepdim=True) + PTMAP_LEAST))
        plan = torch.where(going, new, plan)
        change = (rows - new.sum(dim=2, keepdim=True)).abs().amax(dim=(1, 2), keepdim=True)
        going = going & (change >= PTMAP_CLOSE)
        if not going.any():
            break
    return plan


def _powered(embeddings: Tensor) -> Tensor:
    return (embeddings.relu() + 1e-6).pow(POWER)
