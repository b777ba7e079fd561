"""A support whose compound classes are partly, or wholly, known by the names of their parts."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from fewshot_fer.errors import ConfigError
from fewshot_fer.labels import canonical
from fewshot_fer.models.composed import Priors
from fewshot_fer.support_set import SupportSet

COMPOSED = "(composed: "  # begins the path of an entry that is no picture


def with_priors(
    support: SupportSet, priors: Priors, more_classes: Sequence[str] = ()
) -> SupportSet:
    """Return a support with one more entry for every class that has parts: its prior, which counts
    for as many pictures as its weight. The prototypes are then those of `composed_prototypes`.
    Entries of an earlier call are made anew.

    more_classes: those without a picture, by their names. Raises ConfigError for one of them that
    has no parts, or pictures after all.
    """
    support = _without_priors(support)
    asked = [canonical(name) for name in more_classes]
    priors.require(asked, "classes", "support=folder")
    own = [canonical(name) for name in support.class_names]
    if twice := [name for name in asked if name in own or asked.count(name) > 1]:
        raise ConfigError(f"classes: {twice[0]} is there already; name each class once")
    names = [*own, *asked]
    vectors, known = priors.of(names)
    counts = torch.ones(len(support.labels)) if support.counts is None else support.counts
    pictures = torch.zeros(len(names)).index_add_(0, support.labels, counts)
    means = torch.zeros_like(vectors)
    means[: len(own)] = support.prototypes().nan_to_num()  # a class without a picture has none
    vectors, weights = (
        each[0] for each in priors.weighed(means[None], pictures, vectors[None], known[None])
    )
    weights = torch.where(known & (pictures == 0), weights.clamp_min(1.0), weights)
    added = [place for place in range(len(names)) if weights[place] > 0]
    described = [f"{COMPOSED}{' + '.join(priors.parts_of(names[place]))})" for place in added]
    return replace(
        support,
        class_names=(*support.class_names, *asked),
        embeddings=torch.cat([support.embeddings, vectors[added]]),
        labels=torch.cat([support.labels, torch.tensor(added, dtype=torch.int64)]),
        paths=(*support.paths, *described),
        counts=torch.cat([counts, weights[added]]),
    )


def picture_rows(support: SupportSet) -> list[int]:
    """Return the rows of a support that are pictures, and no priors."""
    return [row for row, path in enumerate(support.paths) if not path.startswith(COMPOSED)]


def support_of_names(class_names: Sequence[str], priors: Priors, weights: str) -> SupportSet:
    """Return a support without a single picture. Raises ConfigError for a class without parts."""
    empty = SupportSet(
        class_names=(),
        embeddings=torch.zeros(0, priors.prototypes.shape[1]),
        labels=torch.zeros(0, dtype=torch.int64),
        paths=(),
        weights=weights,
    )
    return with_priors(empty, priors, class_names)


def _without_priors(support: SupportSet) -> SupportSet:
    kept = picture_rows(support)
    return replace(
        support,
        embeddings=support.embeddings[kept],
        labels=support.labels[kept],
        paths=tuple(support.paths[row] for row in kept),
        counts=None if support.counts is None else support.counts[kept],
    )
