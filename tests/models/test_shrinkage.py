"""How far priors of class prototypes are trusted beside pictures, and where that must lead."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fewshot_fer.models.methods.composed import composed_prototypes
from fewshot_fer.models.methods.shrinkage import MOST, Observed, observed, shrink

ERRORS = {"good": 0.02, "middling": 0.06, "poor": 0.2}  # beside a spread of 1
GUESSED = (4, 8, 16, 32, 64, 128)


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


def composed(support: Tensor, priors: Tensor) -> tuple[Tensor, Tensor]:
    """Return prototypes and weights as `method=composed` has them, for a spread of 1."""
    known = torch.ones(priors.shape[:2], dtype=torch.bool)
    places, weights = shrink(observed(support), priors, known, 1.0)
    return composed_prototypes(support, places, weights), weights


def one_by_hand(support: list[Tensor], priors: Tensor, spread: float) -> Tensor:
    """Return the prototypes of one support in plain words: pictures [n, D] of each class, some
    without any; every class has a prior."""
    seen = [c for c, own in enumerate(support) if len(own)]
    n_seen, counts = len(seen), [len(own) for own in support]
    means = torch.stack([own.mean(dim=0) if len(own) else torch.zeros(6) for own in support])
    middle, here = priors[seen].mean(dim=0), means[seen].mean(dim=0)
    if n_seen == 1:
        here = middle
    differing, found = priors[seen] - middle, means[seen] - here
    slope = 1.0
    if n_seen > 1:
        slope = min(1.0, max(0.0, float((found * differing).sum() / differing.square().sum())))
    residual = found - slope * differing
    axes = torch.linalg.svd(differing, full_matrices=False)[2][: n_seen - 1]
    into = axes.mT @ axes  # the projection on the directions in which priors differ
    free = sum(counts) - n_seen
    apart = torch.cat([own - own.mean(dim=0) for own in support if len(own)])
    whole = (spread + float(apart.square().sum())) / (1 + free)
    share = (n_seen - 1) / (n_seen - 1 + 30)
    inside = (share * whole + float((apart @ into).square().sum())) / (1 + free)
    outside = whole - inside
    noise = sum(1 / counts[c] for c in seen) / n_seen
    degrees = max(1, n_seen - 1)
    of_inside = float((residual @ into).square().sum()) / degrees
    of_outside = float((residual - residual @ into).square().sum()) / degrees
    error = max(of_outside - outside * noise, outside / MOST)
    count = (1 - free / (1 + free) / 2) * outside / error
    numbers = max(0, (n_seen - 1) * degrees - 1)
    variances = [inside * (noise + 1 / guess) for guess in GUESSED]
    likely = np.array([0.0] * len(GUESSED))
    if numbers:
        likely = np.array([-numbers / 2 * (np.log(v) + of_inside / v) for v in variances])
    likely = np.exp(likely - likely.max())
    likely /= likely.sum()
    length = max(float((here - middle).square().sum()), 1e-30)
    sure = max(0.0, 1 - (of_inside + of_outside) / n_seen / length)
    targets = middle + sure * (here - middle) + slope * (priors - middle)
    prototypes = []
    for c, (mean, target, n) in enumerate(zip(means, targets, counts, strict=True)):
        if c not in seen:
            prototypes.append(target)
            continue
        within = sum(float(p) * g / (n + g) for p, g in zip(likely, GUESSED, strict=True))
        pull = target - mean
        inner = pull @ into
        prototypes.append(mean + within * inner + count / (n + count) * (pull - inner))
    return torch.stack(prototypes)


@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0.05, 20))
@settings(max_examples=40, deadline=None)
def test_shrinking_equals_one_support_at_a_time(seed: int, way: int, spread: float) -> None:
    """Protects the batched arithmetic: other numbers of pictures a class, none among them."""
    random = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 4, (way,), generator=random)
    counts[0] += not counts.any()
    priors = torch.randn(2, way, 6, generator=random, dtype=torch.float64)
    support = [
        [torch.randn(int(n), 6, generator=random, dtype=torch.float64) for n in counts]
        for _ in range(2)
    ]
    means = torch.stack(
        [torch.stack([own.sum(dim=0) / max(1, len(own)) for own in one]) for one in support]
    )
    deviations = torch.stack(
        [torch.cat([own - own.mean(dim=0) for own in one if len(own)]) for one in support]
    )
    known = torch.ones(2, way, dtype=torch.bool)
    places, weights = shrink(Observed(means, counts, deviations), priors, known, spread)
    weighed = torch.where(counts > 0, weights, 1.0)[..., None]
    found = (counts[:, None] * means + weighed * places) / (counts[:, None] + weighed)
    for one, own, prior in zip(support, found, priors, strict=True):
        torch.testing.assert_close(own, one_by_hand(one, prior, spread))


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
    places, weights = shrink(observed(support), priors, known, 0.8)
    assert torch.isfinite(places).all()
    assert torch.isfinite(weights).all()
    assert (weights >= 0).all()
    assert not weights[~known].any()
    order = torch.randperm(way, generator=random)
    others = shrink(observed(support[:, order]), priors[:, order], known[:, order], 0.8)
    torch.testing.assert_close(others, (places[:, order], weights[:, order]))
    longer = shrink(observed(scale * support), scale * priors, known, scale**2 * 0.8)
    torch.testing.assert_close(longer, (scale * places, weights))


def test_without_pictures_priors_stay() -> None:
    support, _, priors = draw(0.1, shot=1, episodes=3)
    known = torch.tensor([True, True, False, True, True]).expand(3, -1)
    places, weights = shrink(observed(support[:, :, :0]), priors, known, 1.0)
    assert torch.equal(weights, known.float())
    torch.testing.assert_close(places[known], priors[known])


def test_limits() -> None:
    """Many pictures lead to their mean, whatever the priors; priors that hold count for a lot, and
    the more they miss the less."""
    support, _, priors = draw(1.0, shot=2_000, episodes=4)
    prototypes, _ = composed(support, priors)
    means = support.mean(dim=2)
    assert float((prototypes - means).square().sum(dim=-1).max()) < 1e-4
    medians = []
    for error in (0.0, 0.1, 1.0, 10.0):
        support, _, priors = draw(error, shot=5)
        medians.append(float(composed(support, priors)[1].median()))
    assert medians == sorted(medians, reverse=True)
    assert medians[0] > 30
    assert medians[-1] < 5


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
