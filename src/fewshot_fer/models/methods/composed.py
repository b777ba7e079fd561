"""Composed prototypes: a compound class starts from the prototypes of its parts.

A compound expression is two basic ones. Where the training side has both, the mean of their two
prototypes says where the compound class should lie, and the pictures of a support move it from
there. That uses more than an episode holds, the names of the parts: such figures are not plain
few-shot ones, and are marked.

How far such a prior can be trusted beside a few pictures is found in those pictures, see
`shrinkage`.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot_fer.config.model_schema import LEARNT, MethodConfig
from fewshot_fer.data.labels import canonical, parts_of
from fewshot_fer.models.methods.compositions import (
    COMPOSE,
    POOL,
    Parts,
    PooledParts,
    part_shares,
)
from fewshot_fer.models.methods.pair_map import PairMap
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import register_method
from fewshot_fer.models.methods.shrinkage import shrink
from fewshot_fer.system.errors import ConfigError

PARTS = "names of the parts"  # what it uses beside a support
BY_MAP = ", a map learnt on synthetic pairs"  # where that composes them
NEUTRAL = "neutral"

# Composed prototypes are compared with queries as plain ones are, once their priors are in.
register_method("composed", normalise="cl2n", of_means=True, zero_shot=True)(prototype_logits)


@dataclass(frozen=True)
class Priors:
    """Priors of class prototypes by the names of classes.

    class_names [B] and prototypes [B, D]: of training, normalised as queries are; spread: the mean
    squared distance of training images to their prototypes; weight: how many support images a
    prior counts for, None: found in each support, see `shrink`; parts: of classes beyond RAF-DB's
    compound ones; composition: a name in `compositions`; part_weights: of the parts of a class in
    the order of its name, none where they are equal; pair_map: what composes them where that is
    learnt.
    """

    class_names: tuple[str, ...]
    prototypes: Tensor
    spread: float
    weight: float | None
    parts: Mapping[str, Sequence[str]]
    composition: str = "mean"
    part_weights: tuple[float, ...] = ()
    pair_map: PairMap | None = None

    @property
    def uses(self) -> str:
        """What a method with these priors knows beside a support, as tables say it."""
        parts = PARTS + (BY_MAP if self.composition == LEARNT else "")
        return parts if self.weight is None else f"{parts}, weight {self.weight:g}"

    def of(self, class_names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return priors [C, D] and which classes [C] have one: those whose parts are known.

        A training class is its own only part.
        """
        priors = torch.zeros(len(class_names), self.prototypes.shape[1])
        known = torch.zeros(len(class_names), dtype=torch.bool)
        for place, name in enumerate(class_names):
            if parts := self.parts_of(name):
                priors[place], known[place] = self.composed(parts), True
        return priors, known

    @property
    def of_prototypes(self) -> bool:
        """Whether a class is composed of its parts' prototypes, and not of their probabilities."""
        return self.composition not in POOL

    def composed(self, parts: Sequence[str]) -> Tensor:
        """Return the prior [D] of a class with these training classes as its parts.

        Where probabilities are composed it is the mean of the parts.
        """
        rows = [self.class_names.index(part) for part in parts]
        neutral = self.class_names.index(NEUTRAL) if NEUTRAL in self.class_names else None
        of_class = Parts(
            prototypes=self.prototypes[rows],
            shares=part_shares(len(rows), self.part_weights),
            neutral=None if neutral is None else self.prototypes[neutral],
            pair_map=self.pair_map,
        )
        return COMPOSE[self.composition if self.of_prototypes else "mean"](of_class)

    def pooled(self, class_names: Sequence[str], like: Tensor) -> PooledParts | None:
        """Return the parts of classes whose probabilities are composed, None where they are not."""
        if self.of_prototypes:
            return None
        rows = [[self.class_names.index(p) for p in self.parts_of(n)] for n in class_names]
        longest = max(1, *map(len, rows))
        shares = torch.zeros(len(rows), longest)
        shares[:, 0] = 1.0  # of a class without parts too, which has no weight
        for place, own in enumerate(rows):
            if own:
                given = part_shares(len(own), self.part_weights)
                shares[place, : len(own)] = 1 / len(own) if given is None else given
        filled = [(own + (own[:1] or [0]) * longest)[:longest] for own in rows]
        prototypes = self.prototypes[torch.tensor(filled)]
        return PooledParts(self.composition, prototypes.to(like), shares.to(like))

    def parts_of(self, class_name: str) -> tuple[str, ...]:
        """Return the training classes that a class is made of, none where one is not among them."""
        given = self.parts.get(class_name)
        parts = parts_of(class_name) if given is None else tuple(given)
        return parts if all(part in self.class_names for part in parts) else ()

    def require_named_parts(self) -> None:
        """Raise ConfigError if a part that the settings name is no training class."""
        for name, parts in self.parts.items():
            for part in parts:
                if part not in self.class_names:
                    near = difflib.get_close_matches(part, self.class_names, n=1)
                    hint = f"did you mean {near[0]}? " if near else ""
                    raise ConfigError(
                        f"method.parts.{name}: {part} is no class of training; {hint}It has "
                        f"{', '.join(self.class_names)}"
                    )

    def require(
        self, class_names: Sequence[str], what: str, instead: str = "k_shot above 0"
    ) -> None:
        """Raise ConfigError if a class has no parts, so that it cannot go without a support.

        instead: how its pictures are given.
        """
        lacking = [name for name in class_names if not self.parts_of(name)]
        if lacking:
            raise ConfigError(
                f"{what}: no picture and no parts of {', '.join(lacking)}: training knows "
                f"{', '.join(self.class_names)}. Give pictures ({instead}), or name the parts in "
                f"training with +method.parts.NAME=[a,b]"
            )

    def weighed(
        self, pictures: Tensor, labels: Tensor, priors: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return priors [E, way, D] and their weights [E, way] beside pictures [E, N, D] of the
        classes; labels [N]: places of these; known [E, way]: which of them have a prior."""
        if self.weight is None:
            return shrink(pictures, labels, priors, known, self.spread)
        return priors, known.to(priors) * self.weight


def named_parts(settings: MethodConfig) -> dict[str, tuple[str, ...]]:
    """Return canonical class -> canonical parts. Raises ConfigError for a class named twice."""
    named: dict[str, tuple[str, ...]] = {}
    for spelling, parts in settings.parts.items():
        name = canonical(spelling)
        if name in named:
            raise ConfigError(f"method.parts: {name} stands there twice, as {spelling} too")
        named[name] = tuple(canonical(part) for part in parts)
    return named


def composed_prototypes(support: Tensor, priors: Tensor, weights: Tensor) -> Tensor:
    """Return prototypes [E, way, D] from support [E, way, shot, D], priors [E, way, D] and their
    weights [E, way]: (sum of the support + weight * prior) / (shot + weight).

    That is the posterior mean of a normal class mean whose prior counts for `weight` observations
    (Murphy, Machine Learning, 2012, section 4.4.2); shot may be 0 where no weight is.
    """
    if support.shape[2] == 0:
        return priors
    counted = support.shape[2] + weights
    return (support.sum(dim=2) + weights[..., None] * priors) / counted[..., None]


def prior_share(shot: int, weights: Tensor) -> Tensor:
    """Return the shares [E, way] of priors in prototypes of so many pictures: 1 without any."""
    return weights / (shot + weights) if shot else torch.ones_like(weights)
