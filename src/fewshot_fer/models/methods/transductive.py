"""Methods that use all queries of an episode together: BD-CSPN, LaplacianShot, TIM and PT-MAP."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.prototypes import COSINE_SCALE, fitted_prototypes
from fewshot_fer.models.methods.registry import TRANSDUCTIVE, register_method

LAPLACIAN_NEIGHBOURS = 3  # the query itself is one
LAPLACIAN_STEPS = 20
LAPLACIAN_WEIGHT = 0.7  # of agreeing with neighbours
LAPLACIAN_CLOSE = 1e-6  # relative change of the bound that ends an episode's updates
TIM_STEPS = 50
TIM_LR = 1e-4
TIM_STRIDE = 5  # of those steps at a time
TIM_TEMPERATURE = 10.0
TIM_CONDITIONAL = 0.1  # weight of the entropy of each query
PTMAP_STEPS = 10
PTMAP_RATE = 0.2  # at which prototypes move
PTMAP_SHARPNESS = 10.0
PTMAP_POWER = 0.5
PTMAP_CLOSE = 1e-6  # change of a row's sum that ends an episode's scaling
PTMAP_LEAST = 1e-10
SINKHORN_STEPS = 1000  # at the most
LEAST = 1e-12  # added to probabilities before their logarithm


@register_method("bdcspn", uses=TRANSDUCTIVE, normalise="cl2n", refines=True)
def bdcspn_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return COSINE_SCALE times the cosine [E, Q, way] of queries to rectified prototypes.

    The queries themselves are compared as they are, as easyfsl does; where support and query come
    from the same images, the shift is small.
    """
    prototypes = F.normalize(rectified_prototypes(support, query), dim=-1)
    return COSINE_SCALE * F.normalize(query, dim=-1) @ prototypes.mT


def rectified_prototypes(support: Tensor, query: Tensor) -> Tensor:
    """Return prototypes [E, way, D] that are means over support and queries.

    Queries q are shifted so that their mean is the support's (cross-class bias, Liu et al., ECCV
    2020); a class is then the weighted mean of its support and of the queries that are assigned to
    it, each x with the weight exp(cos(x, m_c)), m_c the mean of its support (intra-class bias).
    """
    way = support.shape[1]
    flat, prototypes = support.flatten(1, 2), F.normalize(support.mean(dim=2), dim=-1)
    query = query + flat.mean(dim=1, keepdim=True) - query.mean(dim=1, keepdim=True)
    of_query = (F.normalize(query, dim=-1) @ prototypes.mT).exp()
    of_query = of_query * F.one_hot(of_query.argmax(dim=-1), way).to(query)
    of_support = (F.normalize(support, dim=-1) * prototypes[:, :, None]).sum(dim=-1).exp()
    whole = of_support.sum(dim=2) + of_query.sum(dim=1)
    summed = (of_support[..., None] * support).sum(dim=2) + of_query.mT @ query
    return summed / whole[..., None]


@register_method("laplacianshot", uses=TRANSDUCTIVE, normalise="cl2n", refines=True)
def laplacianshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way]: queries that lie near one another should get the same
    label (Ziko et al., LaplacianShot, ICML 2020, algorithm 1).

    Prototypes are rectified as BD-CSPN does, as the authors' code has it.
    """
    return _propagated(rectified_prototypes(support, query), query)


@register_method("laplacian", uses=TRANSDUCTIVE, normalise="cl2n", refines=True, in_all=False)
def laplacian_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] by LaplacianShot from prototypes as they are.

    Rectifying them takes it that support and queries have the same mean, as they do where classes
    are equally frequent. Nothing here does, so queries may be of any mix of classes.
    """
    return _propagated(support.mean(dim=2), query)


def _propagated(prototypes: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] to prototypes [E, way, D] that neighbours agree on."""
    costs = torch.cdist(query, prototypes).square()
    near = affinities(query)
    assigned = (-costs).softmax(dim=-1)
    bound = costs.new_full((len(costs),), torch.inf)
    over = torch.zeros(len(costs), dtype=torch.bool, device=costs.device)
    for step in range(LAPLACIAN_STEPS):
        new = (LAPLACIAN_WEIGHT * near @ assigned - costs).softmax(dim=-1)
        assigned = torch.where(over[:, None, None], assigned, new)
        each = (assigned + LEAST).log() + costs - LAPLACIAN_WEIGHT * (near @ assigned)
        lower = (assigned * each).sum(dim=(1, 2))  # what each update lowers (eq. 7)
        if step > 1:
            over = over | ((lower - bound).abs() <= LAPLACIAN_CLOSE * bound.abs())
        bound = lower
        if over.all():
            break
    return (assigned + LEAST).log()


def affinities(features: Tensor) -> Tensor:
    """Return 1 where column j is among the nearest of row i, else 0, [E, Q, Q]: W of the paper."""
    count = min(LAPLACIAN_NEIGHBOURS, features.shape[1])
    nearest = torch.cdist(features, features).topk(count, largest=False).indices[..., 1:]
    return features.new_zeros((*features.shape[:2], features.shape[1])).scatter(-1, nearest, 1.0)


@register_method("tim", uses=TRANSDUCTIVE, normalise="cl2n", refines=True)
def tim_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return TIM_TEMPERATURE times the cosine [E, Q, way] to prototypes after TIM_STEPS steps of
    Adam on cross-entropy of the support minus mutual information of queries and labels (TIM-GD of
    Boudiaf et al., NeurIPS 2020):

        CE(support) - H(mean of p over the queries) + TIM_CONDITIONAL * mean of H(p of a query)

    Steps, learning rate and the cosine are easyfsl's, and TIM_STRIDE steps are taken at a time. The
    authors go 1,000 steps, so prototypes move further there.
    """
    way, shot = support.shape[1:3]
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    with torch.inference_mode(False), torch.enable_grad():
        support, query = support.clone(), query.clone()
        own, others = F.normalize(support.flatten(1, 2), dim=-1), F.normalize(query, dim=-1)

        def loss(prototypes: Tensor) -> Tensor:
            to_class = TIM_TEMPERATURE * F.normalize(prototypes, dim=-1).mT
            return _tim_loss(own @ to_class, others @ to_class, labels)

        fitted = fitted_prototypes(support.mean(dim=2), loss, TIM_STEPS, TIM_LR, TIM_STRIDE)
    return TIM_TEMPERATURE * others @ F.normalize(fitted, dim=-1).mT


def _tim_loss(support: Tensor, query: Tensor, labels: Tensor) -> Tensor:
    """Return the loss summed over episodes of logits [E, S, way] and [E, Q, way]."""
    fit = F.cross_entropy(support.flatten(0, 1), labels.repeat(len(support)), reduction="none")
    probabilities = query.softmax(dim=-1)
    entropy = -(probabilities * (probabilities + LEAST).log()).sum(dim=-1).mean(dim=-1)
    mean = probabilities.mean(dim=1)
    spread = -(mean * mean.log()).sum(dim=-1)
    return fit.sum() / len(labels) + (TIM_CONDITIONAL * entropy - spread).sum()


@register_method(
    "ptmap",
    uses=f"{TRANSDUCTIVE}, equally many a class",
    normalise="l2",
    refuses={
        "cl2n": "ptmap compares square roots, which half of all centred numbers have not; add "
        "method.normalise=l2"
    },
)
def ptmap_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-assignments [E, Q, way] of queries to classes that share them evenly (Hu, Gripon
    and Pateux, PT-MAP, arXiv:2006.03806, eq. 1, 3 and 6 and algorithm 1).

    Takes embeddings that are not negative, at unit length: their square root is what is compared.
    It knows that an episode has equally many queries of every class, more than other methods know.
    """
    support, query = ((each.relu() + 1e-6).pow(PTMAP_POWER) for each in (support, query))
    prototypes, shot = support.mean(dim=2), support.shape[2]
    for _ in range(PTMAP_STEPS):
        assigned = transport_plan(query, prototypes)
        summed = support.sum(dim=2) + assigned.mT @ query
        moved = summed / (shot + assigned.sum(dim=1))[..., None]
        prototypes = prototypes + PTMAP_RATE * (moved - prototypes)
    return (transport_plan(query, prototypes) + PTMAP_LEAST).log()


def transport_plan(query: Tensor, prototypes: Tensor) -> Tensor:
    """Return the plan [E, Q, way] by Sinkhorn and Knopp's scaling: rows add up to 1 and columns to
    the queries a class."""
    plan = (-PTMAP_SHARPNESS * torch.cdist(query, prototypes).square()).exp()
    plan = plan / plan.sum(dim=(1, 2), keepdim=True)
    share = query.shape[1] // prototypes.shape[1]
    going = torch.ones(len(plan), 1, 1, dtype=torch.bool, device=plan.device)
    for _ in range(SINKHORN_STEPS):
        rows = plan.sum(dim=2, keepdim=True)
        new = plan / (rows + PTMAP_LEAST)
        new = new * (share / (new.sum(dim=1, keepdim=True) + PTMAP_LEAST))
        plan = torch.where(going, new, plan)
        change = (rows - new.sum(dim=2, keepdim=True)).abs().amax(dim=(1, 2), keepdim=True)
        going = going & (change >= PTMAP_CLOSE)
        if not going.any():
            break
    return plan
