"""Compound classes from their parts: a prototype that is partly known before the first picture.

A compound expression is two basic ones. Where the training side has both, the mean of their two
prototypes says where the compound class should lie, and the pictures of a support move it from
there. That uses more than an episode holds, the names of the parts: such figures are not plain
few-shot ones, and are marked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.errors import ConfigError
from fewshot_fer.labels import COMPOUND_PARTS


@dataclass(frozen=True)
class Priors:
    """Where classes are expected by their names.

    class_names [B] and prototypes [B, D]: of the training side, normalised as queries are; weight:
    how many support images a prior counts for; parts: of classes beyond RAF-DB's compound ones.
    """

    class_names: tuple[str, ...]
    prototypes: Tensor
    weight: float
    parts: Mapping[str, Sequence[str]]

    def of(self, class_names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return priors [C, D] and their weights [C], which are 0 for classes without known parts.

        The prior is the mean of the parts' prototypes, each at unit length. A training class is its
        own only part.
        """
        priors = torch.zeros(len(class_names), self.prototypes.shape[1])
        weights = torch.zeros(len(class_names))
        units = F.normalize(self.prototypes, dim=-1)
        for place, name in enumerate(class_names):
            known = self.parts_of(name)
            if known:
                rows = [self.class_names.index(part) for part in known]
                priors[place], weights[place] = units[rows].mean(dim=0), self.weight
        return priors, weights

    def parts_of(self, class_name: str) -> tuple[str, ...]:
        """Return the training classes that a class is made of, none where one is not among them."""
        given = self.parts.get(class_name)
        parts = COMPOUND_PARTS.get(class_name, (class_name,)) if given is None else tuple(given)
        return parts if all(part in self.class_names for part in parts) else ()

    def require(self, class_names: Sequence[str], what: str) -> None:
        """Raise ConfigError if a class has no parts, so that it cannot go without a support."""
        lacking = [name for name in class_names if not self.parts_of(name)]
        if lacking:
            raise ConfigError(
                f"{what}: no picture and no parts of {', '.join(lacking)}: training knows "
                f"{', '.join(self.class_names)}. Give pictures (k_shot above 0), or name the parts "
                f"with +method.parts.NAME=[a,b]"
            )


def composed_prototypes(support: Tensor, priors: Tensor, weights: Tensor) -> Tensor:
    """Return prototypes [E, way, D] from support [E, way, shot, D], priors [E, way, D] and their
    weights [E, way]: (sum of the support + weight * prior) / (shot + weight).

    That is the posterior mean of a normal class mean whose prior counts for `weight` observations
    (Murphy, Machine Learning, 2012, section 4.4.2); shot may be 0 where no weight is.
    """
    counted = support.shape[2] + weights
    return (support.sum(dim=2) + weights[..., None] * priors) / counted[..., None]


def composed_logits(support: Tensor, query: Tensor, priors: Tensor, weights: Tensor) -> Tensor:
    """Return logits [E, Q, way]: minus squared distances of query [E, Q, D] to the prototypes."""
    prototypes = composed_prototypes(support, priors, weights)
    return -(query[:, :, None, :] - prototypes[:, None, :, :]).square().sum(dim=-1)
