"""A map from the prototypes of two classes to that of the class made of both, learnt on pairs.

The mean of the two, moved by a linear map of what they are: without anything to learn it is the
mean. What is learnt is how mixed faces lie beside the mean of their parts, by ridge regression in
closed form (Hoerl and Kennard, Technometrics 1970), so there is no schedule and no chance in it.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

# Of the mean square of the features: how much a ridge holds the map back; inf: no map, the mean.
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, math.inf)


@dataclass(frozen=True)
class PairMap:
    """A map of rank P or less, for P pairs that it was learnt on.

    inward [P, 2 D] and shift [P]: of the features of two prototypes; outward [P, D]: from there to
    what is added to their mean; left: the share of the mean's squared error that it leaves on
    pairs that it was not fitted to, 1 where it is the mean.
    """

    inward: Tensor
    shift: Tensor
    outward: Tensor
    left: float

    def __call__(self, prototypes: Tensor, shares: Tensor | None = None) -> Tensor:
        """Return the prototype [D] of a class made of parts [N, D], in any order.

        shares [N]: of the parts, adding up to 1, None where they are equal. Two parts are moved
        from their mean by 4 times the product of their shares, so that the whole share gives a part
        itself. Of more parts each two are moved so, one part not at all.
        """
        even = torch.full((len(prototypes),), 1 / len(prototypes))
        of_part = even if shares is None else shares.to(prototypes)
        whole = of_part @ prototypes if shares is not None else prototypes.mean(dim=0)
        for one, other in combinations(range(len(prototypes)), 2):
            moved = (pair_features(prototypes[one], prototypes[other]) @ self.inward.T) - self.shift
            whole = whole + 4 * of_part[one] * of_part[other] * (moved @ self.outward)
        return whole

    def fits(self, width: int, n_pairs: int) -> bool:
        """Return whether it is a map of prototypes of so many numbers that was learnt on so many
        pairs at most, all of its numbers finite."""
        parts, rank = (self.inward, self.shift, self.outward), len(self.inward)
        shapes = [(rank, 2 * width), (rank,), (rank, width)]
        if rank > n_pairs or [tuple(each.shape) for each in parts] != shapes:
            return False  # before a look at numbers: a file can claim billions of them
        numbers = all(each.dtype == torch.float32 for each in parts)
        return numbers and self.left >= 0 and all(bool(torch.isfinite(p).all()) for p in parts)


def pair_features(one: Tensor, other: Tensor) -> Tensor:
    """Return features [..., 2 D] of two prototypes [..., D], the same in either order: their mean,
    and half of how far they are apart. The sum of the two is the greater of each number, what
    either face shows."""
    return torch.cat([(one + other) / 2, (one - other).abs() / 2], dim=-1)


def fit_pair_map(first: Tensor, second: Tensor, composed: Tensor) -> PairMap:
    """Return the map that is learnt on P pairs of prototypes [P, D] and what is made of each.

    What all pairs have in common is left out: in mixed pictures it is the seam and the blur. The
    ridge is the one of the least error on pairs that are left out one at a time, in closed form
    (Hastie et al., The Elements of Statistical Learning, 2009, equation 7.64).
    """
    features = pair_features(first, second).double()
    target = composed.double() - (first + second).double() / 2
    centre = features.mean(dim=0)
    inward, wanted = features - centre, target - target.mean(dim=0)
    products = inward @ inward.T
    size = products.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    errors = [_left_out_error(products, wanted, ridge * size) for ridge in RIDGES]
    best = int(torch.stack(errors[::-1]).argmin())  # of equals the ridge that holds back more
    ridge = RIDGES[::-1][best]
    outward = torch.zeros_like(wanted)
    if math.isfinite(ridge):
        eye = torch.eye(len(products), dtype=torch.float64)
        outward = torch.linalg.solve(products + ridge * size * eye, wanted)
    left = float(errors[::-1][best] / errors[-1]) if errors[-1] else 1.0
    shift = inward @ centre
    return PairMap(inward.float(), shift.float(), outward.float(), left)


def _left_out_error(products: Tensor, wanted: Tensor, ridge: Tensor) -> Tensor:
    """Return the mean squared error on pairs that are left out one at a time.

    products [P, P]: of centred features; wanted [P, D]: centred.
    """
    count = len(products)
    hat = torch.full_like(products, 1 / count)
    if torch.isfinite(ridge):
        eye = torch.eye(count, dtype=products.dtype)
        hat = hat + torch.linalg.solve(products + ridge * eye, products)
    errors = (wanted - hat @ wanted) / (1 - hat.diagonal()).clamp_min(1e-9)[:, None]
    return errors.square().sum(dim=1).mean()
