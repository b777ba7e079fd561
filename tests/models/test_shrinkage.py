"""How far priors of class prototypes are trusted beside pictures, and where that must lead."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.composed import composed_prototypes
from fewshot_fer.models.methods.shrinkage import COUNTS, DIRECTIONS, shrink

ERRORS = {"good": 0.02, "middling": 0.06, "poor": 0.2}  # beside a spread of 1


def draw(
    error: float, way: int = 5, shot: int = 50, episodes: int = 150, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return support [E, way, shot, 48], query [E, way, 4, 48] and priors [E, way, 48]: class means
    of mean square 0.08 lie at a mean squared `error` from their priors, pictures at 1 from both."""
    random = torch.Generator().manual_seed(seed)
    sides = 48**0.5

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, 48, generator=random) / sides

    priors = 0.08**0.5 * normal(episodes, way)
    centres = priors + error**0.5 * normal(episodes, way)
    support = centres[:, :, None] + normal(episodes, way, shot)
    return support, centres[:, :, None] + normal(episodes, way, 4), priors


def accuracies(prototypes: Tensor, query: Tensor) -> Tensor:
    """Return the accuracy [E] of the nearest prototype."""
    squared = torch.cdist(query.flatten(1, 2), prototypes)
    labels = torch.arange(query.shape[1]).repeat_interleave(query.shape[2])
    return (squared.argmin(dim=-1) == labels).float().mean(dim=1)


def shown(support: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pictures [E, N, D] of support [E, way, shot, D], and the classes [N] of these."""
    return support.flatten(1, 2), torch.arange(support.shape[1]).repeat_interleave(support.shape[2])


def composed(support: Tensor, priors: Tensor) -> tuple[Tensor, Tensor]:
    """Return prototypes and weights as `method=composed` has them, for a spread of 1."""
    known = torch.ones(priors.shape[:2], dtype=torch.bool)
    places, weights = shrink(*shown(support), priors, known, 1.0)
    return composed_prototypes(support, places, weights), weights


def one_by_hand(
    pictures: list[NDArray[np.float64]], priors: NDArray[np.float64], spread: float
) -> NDArray[np.float64]:
    """Return the prototypes [C, D] of one support in plain loops: pictures [n, D] of each class,
    some without any; every class has a prior."""
    seen = [c for c, own in enumerate(pictures) if len(own)]
    means = {c: pictures[c].mean(axis=0) for c in seen}
    middle = np.mean([priors[c] for c in seen], axis=0)
    here = np.mean([means[c] for c in seen], axis=0)
    common, closer = middle, 1.0
    if len(seen) > 1:
        error = sum(np.square(means[c] - here - priors[c] + middle).sum() for c in seen)
        noise = error / (len(seen) - 1) / len(seen)
        common = middle + max(0.0, 1 - noise / np.square(here - middle).sum()) * (here - middle)
        size = [
            sum(np.square(v).sum() for v in each)
            for each in ([means[c] - here for c in seen], [priors[c] - middle for c in seen])
        ]
        closer = min(1.0, (size[0] / size[1]) ** 0.5)
    free = sum(map(len, pictures)) - len(seen)
    if free:
        spread = sum(np.square(pictures[c] - means[c]).sum() for c in seen) / free
    likely = np.zeros((2, len(COUNTS)))
    for parts_hold, (place, count) in itertools.product((0, 1), enumerate(COUNTS)):
        starts = {c: common + parts_hold * closer * (priors[c] - middle) for c in seen}
        for c in seen:
            for picture in pictures[c]:
                scores = {}
                for other in seen:
                    left = pictures[other].sum(axis=0) - (picture if other == c else means[other])
                    total = len(pictures[other]) - 1 + count
                    prototype = (left + count * starts[other]) / total
                    distance = np.square(picture - prototype).sum()
                    wide = 1 + 1 / (len(pictures[c]) - 1 + count)
                    scores[other] = -distance / (2 * spread / DIRECTIONS * wide)
                likely[parts_hold, place] += scores[c] - np.logaddexp.reduce([*scores.values()])
    hold = np.logaddexp.reduce(likely[1]) >= np.logaddexp.reduce(likely[0])
    believed = np.exp(likely[int(hold)] - np.logaddexp.reduce(likely[int(hold)]))
    prototypes = []
    for c, own in enumerate(pictures):
        start = common + (closer * (priors[c] - middle) if hold or c not in seen else 0.0)
        share = sum(
            b * count / (len(own) + count) for b, count in zip(believed, COUNTS, strict=True)
        )
        prototypes.append(share * start + (1 - share) * means[c] if c in seen else start)
    return np.stack(prototypes)


@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0.05, 20))
@settings(max_examples=40, deadline=None)
def test_shrinking_equals_one_support_at_a_time(seed: int, way: int, spread: float) -> None:
    """Protects the batched arithmetic: other numbers of pictures a class, none among them."""
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 4, way)
    sizes[0] += not sizes.any()
    labels = random.permutation(np.repeat(np.arange(way), sizes))
    priors = random.normal(size=(2, way, 6))
    pictures = priors[:, labels] + random.normal(size=(2, len(labels), 6))
    counts = torch.from_numpy(sizes)[:, None]
    shown = torch.from_numpy(pictures), torch.from_numpy(labels), torch.from_numpy(priors)
    known = torch.ones(2, way, dtype=torch.bool)
    places, weights = shrink(*shown, known, spread)
    sums = F.one_hot(shown[1], way).mT.double() @ shown[0]
    weighed = torch.where(counts > 0, weights[..., None], 1.0)
    found = (sums + weighed * places) / (counts + weighed)
    for one, own, prior in zip(pictures, found, priors, strict=True):
        by_hand = one_by_hand([one[labels == c] for c in range(way)], prior, spread)
        np.testing.assert_allclose(own.numpy(), by_hand, rtol=1e-6, atol=1e-9)


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(0, 4),
    st.floats(1e-3, 1e3),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_weights_of_any_support(seed: int, way: int, shot: int, scale: float, same: bool) -> None:
    """Weights are finite and not negative; the order of the classes does not matter, nor the unit
    of length; priors that are all the same, or missing, break nothing."""
    random = torch.Generator().manual_seed(seed)
    support = torch.randn(3, way, shot, 7, generator=random, dtype=torch.float64)
    priors = torch.randn(3, way, 7, generator=random, dtype=torch.float64)
    if same:
        priors = priors[:, :1].expand(-1, way, -1)
    known = torch.rand(3, way, generator=random) < 0.7
    places, weights = shrink(*shown(support), priors, known, 0.8)
    assert torch.isfinite(places).all()
    assert torch.isfinite(weights).all()
    assert (weights >= 0).all()
    assert not weights[~known].any()
    order = torch.randperm(way, generator=random)
    others = shrink(*shown(support[:, order]), priors[:, order], known[:, order], 0.8)
    torch.testing.assert_close(others, (places[:, order], weights[:, order]))
    longer = shrink(*shown(scale * support), scale * priors, known, scale**2 * 0.8)
    torch.testing.assert_close(longer, (scale * places, weights))


def test_without_pictures_priors_stay() -> None:
    support, _, priors = draw(0.1, shot=1, episodes=3)
    known = torch.tensor([True, True, False, True, True]).expand(3, -1)
    places, weights = shrink(*shown(support[:, :, :0]), priors, known, 1.0)
    assert torch.equal(weights, known.float())
    torch.testing.assert_close(places[known], priors[known])


def test_limits() -> None:
    """Many pictures lead to their mean, whatever the priors; priors that hold count for a lot, and
    the more they miss the less; to those of other classes nothing is drawn."""
    support, _, priors = draw(1.0, shot=2_000, episodes=4)
    prototypes, _ = composed(support, priors)
    means = support.mean(dim=2)
    assert float((prototypes - means).square().sum(dim=-1).max()) < 1e-4
    medians = []
    for error in (0.0, 0.02, 0.1, 0.3):
        support, _, priors = draw(error, shot=5)
        medians.append(float(composed(support, priors)[1].median()))
    assert medians == sorted(medians, reverse=True)
    assert medians[0] > 20
    assert medians[-1] < 4
    for shot in (1, 5):
        support, _, priors = draw(0.0, shot=shot)
        known = torch.ones(priors.shape[:2], dtype=torch.bool)
        places, _ = shrink(*shown(support), priors.roll(1, 1), known, 1.0)
        same = (places == places[:, :1]).all(dim=-1).all(dim=-1)
        assert float(same.float().mean()) > 0.8, shot


def test_a_common_offset_is_taken_out() -> None:
    """Protects tests on another data set, whose embeddings lie elsewhere as a whole."""
    support, query, priors = draw(0.01, shot=5)
    shift = torch.full((48,), 3 / 48**0.5)
    plain = accuracies(composed(support, priors)[0], query)
    moved = accuracies(composed(support + shift, priors)[0], query + shift)
    assert float((moved - plain).mean().abs()) < 0.01


@pytest.mark.parametrize("priors_are", [*ERRORS, "wrong", "far"])
def test_composed_never_loses_to_plain(priors_are: str) -> None:
    """Protects what the rule is for: on identical queries and nested supports composed prototypes
    are no worse than plain ones by more than noise from 1 to 50 shots, be the parts right, poor,
    those of other classes, or from a data set on another scale; and where parts are right and
    pictures have something to add, one picture a class beats none."""
    support, query, priors = draw(ERRORS.get(priors_are, 0.1))
    if priors_are == "wrong":
        priors = draw(0.1, shot=1, seed=9)[2]
    if priors_are == "far":
        support, query = 0.3 * support, 0.3 * query
    alone = accuracies(priors, query)
    for shot in (1, 2, 5, 10, 20, 50):
        own = accuracies(composed(support[:, :, :shot], priors)[0], query)
        gain, noise = paired(own, accuracies(support[:, :, :shot].mean(dim=2), query))
        assert gain >= -max(noise, 0.002), shot  # 0.002: 6 of 3,000 queries
        if shot <= 5 and priors_are != "wrong":
            assert gain > noise, shot
        if priors_are == "poor":
            over, noise = paired(own, alone)
            assert over > noise, shot


def paired(own: Tensor, other: Tensor) -> tuple[float, float]:
    """Return the mean of differences [E], and half its 95 % interval."""
    return float((own - other).mean()), 1.96 * float((own - other).std()) / len(own) ** 0.5
