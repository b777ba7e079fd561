"""Figures and intervals against scikit-learn, brute force, the truth, and cases done by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from fewshot_fer.evaluation.metrics import (
    confusion_matrix,
    group_interval,
    macro_f1,
    mean_interval,
    mean_recall,
    recalls,
    score_predictions,
)

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(pairs)
def test_confusion_and_mean_recall_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """Counts and UAR, classes that never occur included."""
    true, predicted = np.array(pairs, dtype=np.int64).T
    ours = confusion_matrix(true, predicted, 5)
    assert np.array_equal(ours, sklearn_confusion(true, predicted, labels=range(5)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on predicted classes never asked for
        assert mean_recall(ours) == pytest.approx(balanced_accuracy_score(true, predicted))
        expected = recall_score(
            true, predicted, labels=range(5), average=None, zero_division=np.nan
        )
    np.testing.assert_allclose(recalls(ours), expected)
    assert macro_f1(ours) == pytest.approx(f1_score(true, predicted, average="macro"))


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """600 independent episodes of 4 queries at 40 %: 95 of 100 intervals hold the 40 %."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        _, low, high = mean_interval(random.binomial(4, 0.4, 600) / 4)
        held += low <= 0.4 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.02)


def test_interval_stays_within_what_an_accuracy_can_be() -> None:
    """Near 0 and 1, and for a single episode."""
    assert mean_interval(np.array([1.0, 1.0, 0.9]))[2] == 1.0
    assert mean_interval(np.array([0.5])) == (0.5, 0.0, 1.0)
    assert mean_interval(np.array([1.0, 1.0])) == (1.0, 1.0, 1.0)


def test_positions_become_class_names_in_the_confusion() -> None:
    """Two 2-way episodes of classes drawn in different order, one mistake, counted by hand."""
    classes = np.array([[2, 0], [0, 1]])
    predicted = np.array([[0, 0, 1, 1], [0, 0, 0, 1]])  # two queries a class
    query = np.array([[[4, 5], [0, 1]], [[1, 0], [2, 3]]])
    scores = score_predictions(classes, query, predicted, np.array([0.1, 0.2]), n_classes=3)
    assert scores.accuracy.tolist() == [1.0, 0.75]
    assert scores.confusion.tolist() == [[4, 0, 0], [1, 1, 0], [0, 0, 2]]
    assert mean_recall(scores.confusion) == pytest.approx((1 + 0.5 + 1) / 3)
    assert scores.row_asked.tolist() == [2, 2, 1, 1, 1, 1]
    assert scores.row_correct.tolist() == [2, 2, 0, 1, 1, 1]


def test_group_interval_equals_a_brute_force_bootstrap() -> None:
    """Whole clips drawn with replacement, one resample after the other in plain Python."""
    random = np.random.default_rng(1)
    sizes = random.integers(1, 30, 40)
    groups = np.repeat(np.arange(40), sizes)
    correct = (random.random(len(groups)) < np.repeat(random.random(40), sizes)).astype(float)
    accuracies = []
    for _ in range(4000):
        drawn = random.integers(0, 40, 40)
        drawn_groups = [correct[groups == group] for group in drawn]
        accuracies.append(np.concatenate(drawn_groups).mean())
    ours = group_interval(correct, np.ones(len(groups)), groups)
    assert ours == pytest.approx(np.quantile(accuracies, [0.025, 0.975]), abs=0.012)


def test_group_interval_covers_the_truth_as_often_as_it_says() -> None:
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


def test_only_images_that_were_queries_count() -> None:
    """Rows that were never a query change nothing, and one group says nothing."""
    random = np.random.default_rng(3)
    correct, asked = random.integers(0, 3, 60).astype(float), np.full(60, 3.0)
    ours = group_interval(correct, asked, np.arange(60))
    padded = group_interval(
        np.append(correct, np.zeros(9)), np.append(asked, np.zeros(9)), np.arange(69)
    )
    assert ours == padded
    assert group_interval(np.ones(5), np.ones(5), np.zeros(5, dtype=np.int64)) == (0.0, 1.0)
