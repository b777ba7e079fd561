"""A method with what it needs to be evaluated: its logits, priors of classes, and normalisation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fewshot_fer.models.methods.composed import PARTS, Priors, composed_prototypes, prior_share
from fewshot_fer.models.methods.compositions import PooledParts
from fewshot_fer.models.methods.floors import frequency_logits
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import (
    FEATURES,
    TRANSDUCTIVE,
    LogitsFunction,
    build_logits,
    find_method,
    method_names,
)
from fewshot_fer.models.methods.tip_adapter import HEAD
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.system.errors import ConfigError

COUNTED = 8  # pictures that a composed prototype is worth where it is averaged with queries


@dataclass(frozen=True)
class Method:
    """A few-shot method by its name in results.csv.

    queries: transductive use of the episode's queries, "" for none; priors: of classes by their
    names, for composed prototypes; normalisation: of embeddings, None: as the run has it; on: what
    it works on, see `registry`; head: of a method that takes one, the weights and the bias of a
    classifier [B, D + 1] in the place of prototypes.
    """

    name: str
    logits: LogitsFunction
    queries: str = ""
    priors: Priors | None = None
    normalisation: Normalisation | None = None
    on: str = FEATURES
    head: Priors | None = None

    @property
    def uses(self) -> str:
        """What it knows beside the support, "" for plain few-shot."""
        known = "" if self.priors is None else self.priors.uses
        head = "" if self.head is None else f"{HEAD}, {PARTS}"
        return "; ".join(filter(None, (known, head, self.queries)))

    @property
    def is_prototypes(self) -> bool:
        """Whether it is the plain nearest prototype, which has a faster way in bulk."""
        return self.logits is prototype_logits and self.priors is None

    @property
    def is_of_means(self) -> bool:
        """Whether its logits come from the class means alone, so that these can stand for any
        support: not where each support image counts, or queries count for one another, or
        probabilities of parts are composed."""
        by_prototypes = self.priors is None or self.priors.of_prototypes
        return by_prototypes and self.name in method_names(of_means=True)

    @property
    def gives_distances(self) -> bool:
        """Whether its logits are minus squared distances to prototypes."""
        return self.logits is prototype_logits

    def by_means(self, prototypes: Tensor, query: Tensor) -> Tensor:
        """Return logits [Q, C] of queries [Q, D] for prototypes [C, D], of a method that is
        of means; priors are in the prototypes already."""
        return self.logits(prototypes[None, :, None], query[None])[0]

    def among(
        self, class_names: Sequence[str], like: Tensor, sizes: Sequence[int] = ()
    ) -> "BoundMethod":
        """Return the method for these classes, on the device and in the precision of `like`.

        sizes: how many pictures each class has where the support is drawn from.
        """
        if self.head is not None:
            return BoundMethod(self.logits, scores=self.head.of(class_names)[0].to(like))
        if self.logits is frequency_logits and len(sizes):
            scores = like.new_zeros(len(sizes), like.shape[-1] + 1)
            scores[:, -1] = torch.tensor(sizes).clamp_min(1).log()
            return BoundMethod(self.logits, scores=scores)
        if self.priors is None:
            return BoundMethod(self.logits)
        priors, known = self.priors.of(class_names)
        pooled = self.priors.pooled(class_names, like)
        priors, known = priors.to(like), known.to(like.device)
        return BoundMethod(self.logits, self.priors, priors, known, pooled=pooled)


@dataclass(frozen=True)
class BoundMethod:
    """A method among C classes, with their priors [C, D] and which of them have one [C], if any.

    scores [C, D + 1]: weights and bias of a linear score of each class that is added to the logits;
    pooled: the parts of the classes, where their probabilities are composed.
    """

    logits: LogitsFunction
    weighing: Priors | None = None
    priors: Tensor | None = None
    known: Tensor | None = None
    scores: Tensor | None = None
    pooled: PooledParts | None = None

    def __call__(self, support: Tensor, query: Tensor, classes: Tensor) -> Tensor:
        """Return logits [E, Q, way]; classes [E, way]: which of the C each position is."""
        if self.scores is not None:
            of_class = self.scores[classes]
            linear = query @ of_class[..., :-1].mT + of_class[:, None, :, -1]
            return linear + self.logits(support, query)
        if self.weighing is None or self.priors is None or self.known is None:
            return self.logits(support, query)
        way, shot = support.shape[1:3]
        expected = (self.priors[classes], self.known[classes])
        labels = torch.arange(way, device=support.device).repeat_interleave(shot)
        moved, weights = self.weighing.weighed(support.flatten(1, 2), labels, *expected)
        logits = self.logits(composed_prototypes(support, moved, weights)[:, :, None], query)
        if self.pooled is None:
            return logits
        excess = self.pooled.excess(query, expected[0], moved, classes)
        return logits + prior_share(shot, weights)[:, None] * excess

    def once(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [Q, C] of queries [Q, D] for one support [C, shot, D] of all C classes."""
        everything = torch.arange(len(support), device=query.device)[None]
        return self(support[None], query[None], everything)[0]


PROTOTYPES = Method("protonet", prototype_logits)


def untrained_method(name: str, n_features: int = 0, channels: int = 0) -> Method:
    """Return a method that needs no training. Raises ConfigError for an unknown name.

    n_features, channels: of flattened maps, for methods on local features.
    """
    known = find_method(name)
    if not known.has_weights:
        return Method(name, known.logits, known.uses, on=known.on)
    logits = build_logits(name, n_features, channels)
    assert isinstance(logits, nn.Module)
    return Method(name, logits.eval().requires_grad_(False), known.uses, on=known.on)


def refined(method: Method, by: str) -> Method:
    """Return composed prototypes that go on from there with the queries of the episode, by the
    transductive method `by`. Raises ConfigError where probabilities are composed."""
    if method.priors is not None and not method.priors.of_prototypes:
        raise ConfigError(
            f"method={method.name}+{by} goes on from prototypes, and "
            f"method.composition={method.priors.composition} composes probabilities: take "
            f"method.composition=mean"
        )
    logits = find_method(by).logits

    def refined_logits(prototypes: Tensor, query: Tensor) -> Tensor:
        return logits(prototypes.expand(-1, -1, COUNTED, -1), query)

    return replace(method, name=f"{method.name}+{by}", logits=refined_logits, queries=TRANSDUCTIVE)


def for_single_pictures(method: Method) -> Method:
    """Return the method for pictures one by one: the same where it is of means, else the nearest
    prototype, composed where those are: of the mean of the parts where their probabilities were."""
    if method.is_of_means:
        return method
    if method.priors is None:
        return PROTOTYPES
    name = method.name.partition("+")[0]
    how = method.priors.composition if method.priors.of_prototypes else "mean"
    priors = replace(method.priors, composition=how)
    return replace(method, name=name, logits=find_method(name).logits, queries="", priors=priors)
