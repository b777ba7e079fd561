"""BD-CSPN: prototypes corrected by the queries that they answer."""

from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.cosine import SCALE


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
    return SCALE * F.normalize(query, dim=-1) @ prototypes.mT
