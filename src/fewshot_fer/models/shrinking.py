"""How far an expected prototype can be trusted beside a few pictures: found in those pictures.

Class means are taken as mean = prior + offset + error. The offset is common to all classes of a
support (another data set lies elsewhere as a whole), the error is each class's own. An observed
mean of n pictures adds noise of variance spread / n. All three are estimated from how far the
observed means lie from their priors, together and each (empirical Bayes: Efron and Morris, JASA
1973; the offset is shrunk as James and Stein did, Berkeley Symposium 1961).
"""

import torch
from torch import Tensor

LEAST = 0.01  # of the spread: a prior never counts for more than 100 pictures


def shrink(
    means: Tensor, counts: Tensor, priors: Tensor, known: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Return priors [E, C, D] moved by their common offset, and how many pictures each counts for
    [E, C]; 0 for classes that have none.

    means [E, C, D]: over counts [C] pictures, and anything where there are 0; known [E, C]: which
    classes have a prior; spread: mean squared distance of a picture to the mean of its class.
    """
    spread = max(spread, torch.finfo(priors.dtype).tiny)
    seen = (known & (counts > 0)).to(priors)  # [E, C]
    n_seen = seen.sum(dim=-1)
    total = n_seen.clamp_min(1)
    apart = torch.where(seen[..., None] > 0, means - priors, torch.zeros((), dtype=priors.dtype))
    offset = apart.sum(dim=-2) / total[:, None]
    offset = torch.where(n_seen[:, None] > 1, offset, 0.0)  # one class: offset and error are one
    own = (apart - seen[..., None] * offset[:, None]).square().sum(dim=(-2, -1))
    own = own / (n_seen - 1).clamp_min(1)
    noise = (seen * spread / counts.clamp_min(1)).sum(dim=-1) / total
    error = (own - noise).clamp_min(LEAST * spread)
    sure = 1 - own / total / offset.square().sum(dim=-1).clamp_min(spread * 1e-9)
    moved = priors + (sure.clamp_min(0)[:, None] * offset)[:, None] * known[..., None]
    weights = torch.where(n_seen > 0, spread / error, 1.0)
    return moved, known.to(priors) * weights[:, None]
