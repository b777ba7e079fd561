"""Prototypical networks: a class is the mean of its support, logits are negative distances."""

from torch import Tensor


def prototype_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D].

    The prototype is the mean of a class's support embeddings (Snell et al., NeurIPS 2017, eq. 1),
    the logit the negative SQUARED Euclidean distance to it, summed over features, without a
    temperature (eq. 2). The differences are formed before they are squared: the shorter way over
    inner products loses digits where distances are small against the embeddings.
    """
    prototypes = support.mean(dim=2)
    return -(query[:, :, None, :] - prototypes[:, None, :, :]).square().sum(dim=-1)
