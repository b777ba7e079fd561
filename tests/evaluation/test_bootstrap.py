"""The interval over groups: against brute force, and against the truth it should hold."""

import numpy as np
import pytest

from fewshot_fer.evaluation.metrics import group_interval


def test_equals_a_brute_force_bootstrap() -> None:
    """Whole clips drawn with replacement, one resample after the other in plain Python."""
    random = np.random.default_rng(1)
    sizes = random.integers(1, 30, 40)
    groups = np.repeat(np.arange(40), sizes)
    correct = (random.random(len(groups)) < np.repeat(random.random(40), sizes)).astype(float)
    accuracies = []
    for _ in range(4000):
        drawn = random.integers(0, 40, 40)
        parts = [correct[groups == group] for group in drawn]
        accuracies.append(np.concatenate(parts).mean())
    ours = group_interval(correct, np.ones(len(groups)), groups)
    assert ours == pytest.approx(np.quantile(accuracies, [0.025, 0.975]), abs=0.012)


def test_holds_the_truth_as_often_as_it_says() -> None:
    """Clips differ in difficulty: 95 of 100 intervals hold the mean, where frames alone fail."""
    random = np.random.default_rng(2)
    held = held_by_frames = 0
    for trial in range(1000):
        sizes = random.integers(5, 30, 80)
        groups = np.repeat(np.arange(80), sizes)
        chances = np.repeat(random.beta(2, 2, 80), sizes)
        correct = (random.random(len(groups)) < chances).astype(float)
        low, high = group_interval(correct, np.ones(len(groups)), groups, seed=trial)
        held += low <= 0.5 <= high
        half = 1.96 * correct.std() / np.sqrt(len(correct))
        held_by_frames += abs(correct.mean() - 0.5) <= half
    assert held / 1000 == pytest.approx(0.95, abs=0.02)
    assert held_by_frames / 1000 < 0.7


def test_classes_keep_their_balance() -> None:
    """Within strata that are all right or all wrong nothing varies; without strata it does."""
    classes = np.repeat([0, 1], 50)
    correct = 1.0 - classes
    groups = np.arange(100)
    assert group_interval(correct, np.ones(100), groups, classes) == (0.5, 0.5)
    low, high = group_interval(correct, np.ones(100), groups)
    assert low < 0.45 < 0.55 < high


def test_only_images_that_were_asked_count() -> None:
    """Rows that were never a query change nothing, and one group says nothing."""
    random = np.random.default_rng(3)
    correct, asked = random.integers(0, 3, 60).astype(float), np.full(60, 3.0)
    ours = group_interval(correct, asked, np.arange(60))
    padded = group_interval(
        np.append(correct, np.zeros(9)), np.append(asked, np.zeros(9)), np.arange(69)
    )
    assert ours == padded
    assert group_interval(np.ones(5), np.ones(5), np.zeros(5, dtype=np.int64)) == (0.0, 1.0)
