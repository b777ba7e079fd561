"""Ways to compose a class from its parts: a prototype, or a score of its parts' probabilities.

A way by prototypes is a function of the parts in COMPOSE, under the name that `method.composition`
gives it. A way by probabilities is one of the parts' logits in POOL: what pools probabilities has
no prototype, so its class starts from the mean and the logits of an episode are put right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.config.model_schema import LEARNT
from fewshot_fer.models.methods.pair_map import PairMap
from fewshot_fer.models.methods.prototypes import EUCLIDEAN_SCALE

STEP = 0.7  # from neutral for each part: 0.5 is the same as unit lengths, 1 goes too far


@dataclass(frozen=True)
class Parts:
    """The parts of one class.

    prototypes [P, D]: of training; shares [P]: of each part, adding up to 1, None where all are
    equal; neutral [D]: the prototype of the neutral face, None where training has none; pair_map:
    what a run has learnt of mixed pictures, None where it has not.
    """

    prototypes: Tensor
    shares: Tensor | None = None
    neutral: Tensor | None = None
    pair_map: PairMap | None = None

    def mean(self, vectors: Tensor) -> Tensor:
        """Return the mean [D] of a vector [P, D] for each part, by their shares."""
        return vectors.mean(dim=0) if self.shares is None else self.shares.to(vectors) @ vectors


def mean(parts: Parts) -> Tensor:
    """Return the mean [D] of the parts' prototypes."""
    return parts.mean(parts.prototypes)


def unit(parts: Parts) -> Tensor:
    """Return the mean [D] of the parts' prototypes at unit length."""
    return parts.mean(F.normalize(parts.prototypes, dim=-1))


def neutral(parts: Parts) -> Tensor:
    """Return neutral plus STEP times each part's direction from it, all at unit length."""
    if parts.neutral is None or len(parts.prototypes) == 1:
        return unit(parts)
    start = F.normalize(parts.neutral, dim=-1)
    steps = F.normalize(parts.prototypes, dim=-1) - start
    whole = steps.sum(dim=0) if parts.shares is None else len(steps) * parts.mean(steps)
    return start + STEP * whole


def learnt(parts: Parts) -> Tensor:
    """Return what a map that was learnt on mixed pictures makes of the parts' prototypes."""
    assert parts.pair_map is not None, "a run without a map is refused before"
    return parts.pair_map(parts.prototypes, parts.shares)


def geometric(logits: Tensor, shares: Tensor) -> Tensor:
    """Return sum_i w_i z_i [...] of the parts' logits z [..., P] by their shares w [..., P].

    With probabilities p_i proportional to exp(z_i) it is the logarithm of their geometric mean
    prod_i p_i^w_i up to a number that all classes share (the logarithmic opinion pool; Genest and
    Zidek, Statistical Science 1986). For z_i = -|q - m_i|^2 it is the logit of the parts' mean m
    less sum_i w_i |m_i - m|^2: how far the parts lie from one another.
    """
    return (shares * logits).sum(dim=-1)


def harmonic(logits: Tensor, shares: Tensor) -> Tensor:
    """Return -1/t log sum_i w_i exp(-t z_i) [...] of the parts' logits z [..., P], shares w
    [..., P], t = EUCLIDEAN_SCALE.

    With probabilities p_i proportional to exp(t z_i) it is 1/t of the logarithm of their harmonic
    mean 1 / sum_i w_i / p_i, up to a number that all classes share (the power mean of order -1;
    Cooke, Experts in Uncertainty, 1991, section 11). The part that fits least decides.
    """
    exponents = shares.log() - EUCLIDEAN_SCALE * logits
    return -exponents.logsumexp(dim=-1) / EUCLIDEAN_SCALE


COMPOSE: dict[str, Callable[[Parts], Tensor]] = {
    "mean": mean,
    "unit": unit,
    "neutral": neutral,
    LEARNT: learnt,
}
POOL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "geometric": geometric,
    "harmonic": harmonic,
}


def part_shares(count: int, weights: Sequence[float]) -> Tensor | None:
    """Return the shares [count] of so many parts, None where they are equal.

    weights: in the order of a class's parts; those of a class with another number of parts are
    equal.
    """
    if count != len(weights):
        return None
    given = torch.tensor(weights, dtype=torch.float64)
    return (given / given.sum()).float()


@dataclass(frozen=True)
class PooledParts:
    """The parts of C classes whose probabilities are pooled: prototypes [C, P, D], shares [C, P].

    Where a class has fewer parts than others its first one is repeated with a share of 0.
    """

    composition: str
    prototypes: Tensor
    shares: Tensor

    def excess(self, query: Tensor, priors: Tensor, moved: Tensor, classes: Tensor) -> Tensor:
        """Return what the pool of the parts' logits exceeds the logit of their mean by [E, Q, way].

        query [E, Q, D]; priors [E, way, D]: the means of the parts; moved [E, way, D]: where a
        support has moved those to, and their parts with them; classes [E, way]: numbers of C.
        """
        parts = self.prototypes[classes] + (moved - priors)[:, :, None]
        logits = -squared_distances(query, parts.flatten(1, 2))
        of_parts = logits.view(*logits.shape[:2], *parts.shape[1:3])
        pooled = POOL[self.composition](of_parts, self.shares[classes][:, None])
        return pooled + squared_distances(query, moved)


def squared_distances(query: Tensor, to: Tensor) -> Tensor:
    """Return squared distances [E, Q, P] of query [E, Q, D] to [E, P, D], by their differences."""
    return torch.cdist(query, to, compute_mode="donot_use_mm_for_euclid_dist").square()
