"""A support whose compound classes are partly, or wholly, known by the names of their parts."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from fewshot_fer.labels import canonical
from fewshot_fer.models.composed import Priors
from fewshot_fer.support_set import SupportSet


def with_priors(support: SupportSet, priors: Priors) -> SupportSet:
    """Return a support with one more entry for every class that has parts: its prior, which counts
    for as many pictures as its weight. The prototypes are then those of `composed_prototypes`."""
    names = [canonical(name) for name in support.class_names]
    vectors, weights = priors.of(names)
    added = [place for place in range(len(names)) if weights[place] > 0]
    if not added:
        return support
    counts = torch.ones(len(support.labels)) if support.counts is None else support.counts
    return replace(
        support,
        embeddings=torch.cat([support.embeddings, vectors[added]]),
        labels=torch.cat([support.labels, torch.tensor(added)]),
        paths=(*support.paths, *(_described(names[place], priors) for place in added)),
        counts=torch.cat([counts, weights[added]]),
    )


def support_of_names(class_names: Sequence[str], priors: Priors, weights: str) -> SupportSet:
    """Return a support without a single picture. Raises ConfigError for a class without parts."""
    names = tuple(canonical(name) for name in class_names)
    priors.require(names, "classes")
    vectors, _ = replace(priors, weight=1.0).of(names)
    return SupportSet(
        class_names=names,
        embeddings=vectors,
        labels=torch.arange(len(names)),
        paths=tuple(_described(name, priors) for name in names),
        weights=weights,
    )


def _described(name: str, priors: Priors) -> str:
    return f"(composed: {' + '.join(priors.parts_of(name))})"
