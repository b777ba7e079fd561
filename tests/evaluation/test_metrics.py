"""Figures against scikit-learn and against cases small enough to do by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from fewshot_fer.evaluation.metrics import (
    confusion_matrix,
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
    import warnings

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
