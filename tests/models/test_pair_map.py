"""The learnt map of two prototypes to one: what it finds, and that it is the mean by default."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from fewshot_fer.config.model_schema import MethodConfig
from fewshot_fer.evaluation.choose_method import priors
from fewshot_fer.evaluation.training_statistics import TrainingStatistics, statistics_from
from fewshot_fer.models.methods.pair_map import PairMap, fit_pair_map, pair_features
from fewshot_fer.models.preprocessing import KINDS
from fewshot_fer.system.errors import RunError

CLASSES, WIDTH = 20, 4


def classes_and_pairs() -> tuple[Tensor, Tensor, Tensor]:
    """Return prototypes [20, 4] and those [190, 4] of the first and the second of each pair."""
    prototypes = torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0))
    pairs = np.array(list(combinations(range(CLASSES), 2)))
    return prototypes, prototypes[pairs[:, 0]], prototypes[pairs[:, 1]]


def test_a_linear_map_of_what_the_two_are_is_found_again() -> None:
    """The mean, moved by a linear map of mean and distance, is learnt but for what all pairs have
    in common; on pairs that were not seen nearly nothing is left of the mean's error."""
    prototypes, first, second = classes_and_pairs()
    true = torch.randn(2 * WIDTH, WIDTH, generator=torch.Generator().manual_seed(1)) / 4
    moved = pair_features(first, second) @ true
    found = fit_pair_map(first[:150], second[:150], ((first + second) / 2 + moved + 3.0)[:150])
    common = moved[:150].mean(dim=0)
    for one, other, expected in zip(first, second, moved - common, strict=True):
        made = found(torch.stack([one, other])) - (one + other) / 2
        assert torch.allclose(made, expected, atol=0.02)
    assert found.left < 0.001
    assert found.outward.shape == (150, WIDTH)
    assert found.fits(WIDTH, n_pairs=150)
    assert not found.fits(WIDTH + 1, n_pairs=150)
    assert not found.fits(WIDTH, n_pairs=149)
    assert prototypes.shape == (CLASSES, WIDTH)


def test_the_greater_of_two_numbers_is_a_map_that_it_can_learn() -> None:
    """What either face shows, feature by feature, is the mean and half the distance."""
    _, first, second = classes_and_pairs()
    wanted = torch.maximum(first, second)
    assert torch.allclose(pair_features(first, second).unflatten(1, (2, WIDTH)).sum(dim=1), wanted)
    found = fit_pair_map(first, second, wanted)
    lengths = wanted - (first + second) / 2
    made = torch.stack([found(torch.stack(two)) for two in zip(first, second, strict=True)])
    assert torch.allclose(made - (first + second) / 2, lengths - lengths.mean(dim=0), atol=0.02)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_where_nothing_can_be_learnt_it_is_the_mean(noise: float) -> None:
    """Exactly: mixed faces in the mean, and those anywhere around it whatever their parts."""
    _, first, second = classes_and_pairs()
    away = noise * torch.randn(first.shape, generator=torch.Generator().manual_seed(2))
    found = fit_pair_map(first, second, (first + second) / 2 + away)
    two = torch.stack([first[0], second[0]])
    assert torch.equal(found(two), two.mean(dim=0))
    assert found.left == 1.0


def some_map() -> PairMap:
    """Return a map that was learnt on the pairs of the first three classes."""
    prototypes = classes_and_pairs()[0]
    first, second = prototypes[[0, 0, 1]], prototypes[[1, 2, 2]]
    found = fit_pair_map(first, second, torch.maximum(first, second))
    assert found.left < 1
    return found


def test_parts_count_alike_in_any_order_unless_shares_are_given() -> None:
    """One part stays itself, also where it has the whole share; equal shares are none."""
    prototypes, learnt = torch.randn(3, WIDTH), some_map()
    forward, backward = learnt(prototypes[:2]), learnt(prototypes[[1, 0]])
    assert torch.allclose(forward, backward, atol=1e-6)
    assert not torch.allclose(forward, prototypes[:2].mean(dim=0), atol=1e-3)
    assert torch.equal(learnt(prototypes[:1]), prototypes[0])
    halves = learnt(prototypes[:2], torch.tensor([0.5, 0.5]))
    assert torch.allclose(halves, forward, atol=1e-6)
    alone = learnt(prototypes[:2], torch.tensor([1.0, 0.0]))
    assert torch.allclose(alone, prototypes[0])
    mostly = learnt(prototypes[:2], torch.tensor([0.9, 0.1]))
    moved = forward - prototypes[:2].mean(dim=0)
    expected = 0.9 * prototypes[0] + 0.1 * prototypes[1] + 0.36 * moved
    assert torch.allclose(mostly, expected, atol=1e-5)
    three = learnt(prototypes)
    assert torch.allclose(three, learnt(prototypes[[2, 0, 1]]), atol=1e-6)


def left_out_by_fitting_again(first: Tensor, second: Tensor, wanted: Tensor) -> float:
    """Return the error on each pair of a map fitted to all others with the mean alone."""
    away = (wanted - (first + second) / 2).double()
    others = (away.sum(dim=0) - away) / (len(away) - 1)
    return float((away - others).square().sum(dim=1).mean())


def test_the_error_on_pairs_left_out_is_that_of_fitting_without_each() -> None:
    """The closed form against 190 fits: `left` times the error of a common mean is their error."""
    _, first, second = classes_and_pairs()
    first, second = first[:12], second[:12]
    wanted = torch.maximum(first, second) + 0.1 * torch.randn(12, WIDTH)
    found = fit_pair_map(first, second, wanted)
    base = left_out_by_fitting_again(first, second, wanted)
    assert 0 <= found.left <= 1
    features = pair_features(first, second).double()
    size = (features - features.mean(dim=0)).square().sum(dim=1).mean()
    away, best = (wanted - (first + second) / 2).double(), np.inf
    for ridge in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        errors = []
        for pair in range(12):
            rest = [n for n in range(12) if n != pair]
            centred = features[rest] - features[rest].mean(dim=0)
            around = away[rest] - away[rest].mean(dim=0)
            inner = centred.T @ centred + ridge * size * torch.eye(2 * WIDTH)
            linear = torch.linalg.solve(inner, centred.T @ around)
            guess = (features[pair] - features[rest].mean(dim=0)) @ linear
            errors.append(float((away[pair] - away[rest].mean(dim=0) - guess).square().sum()))
        best = min(best, float(np.mean(errors)))
    assert found.left == pytest.approx(min(1.0, best / base), rel=1e-4)


def statistics(maps: dict[str, PairMap] | None) -> TrainingStatistics:
    prototypes = classes_and_pairs()[0][:3]
    every = dict.fromkeys(KINDS, prototypes)
    names = ("anger", "fear", "happiness")
    return TrainingStatistics(names, torch.zeros(WIDTH), every, dict.fromkeys(KINDS, 1.0), maps)


def test_composed_classes_take_the_map_and_say_so() -> None:
    """Stored and read again it composes the same; a run without one says what to do."""
    settings = MethodConfig(name="composed", composition="learnt")
    content = statistics(dict.fromkeys(KINDS, some_map())).content()
    learnt = priors(statistics_from(content, "best.pt"), "cl2n", settings)
    assert learnt.uses == "names of the parts, a map learnt on synthetic pairs"
    parts = classes_and_pairs()[0][:2]
    prototypes, known = learnt.of(["fearfully angry", "anger", "bored"])
    assert torch.allclose(prototypes[0], some_map()(parts))
    assert torch.equal(prototypes[1], parts[0])
    assert known.tolist() == [True, True, False]
    with pytest.raises(RunError, match=r"train it with method\.composition=learnt"):
        priors(statistics(None), "cl2n", settings)
    assert "pair_maps" not in statistics(None).content()


@pytest.mark.parametrize("name", ["inward", "shift", "outward", "left"])
def test_a_damaged_map_is_refused(name: str) -> None:
    """Of another shape, or none: the checkpoint is named."""
    content = statistics(dict.fromkeys(KINDS, some_map())).content()
    for bad in (torch.zeros(2, 7), None):
        damaged = {**content["pair_maps"]["l2"], name: bad}
        wrong = {**content, "pair_maps": {**content["pair_maps"], "l2": damaged}}
        with pytest.raises(RunError, match=r"best\.pt"):
            statistics_from(wrong, "best.pt")
