"""Taught classes beside a head's, and faces relative to a neutral one: against plain numpy."""

import numpy as np
import pytest
import torch

from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.inference.classifier import Predictions
from fewshot_fer.inference.taught import measure_reach, with_taught

HEAD = ("neutral", "happiness")


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def around(centre: int, count: int, spread: float, seed: int) -> np.ndarray:
    """Return embeddings of length 1 near an axis."""
    noise = np.random.default_rng(seed).normal(size=(count, 6)) * spread
    return unit(np.eye(6)[[centre] * count] + noise)


def support_of(classes: dict[str, np.ndarray]) -> SupportSet:
    labels = np.repeat(np.arange(len(classes)), [len(rows) for rows in classes.values()])
    rows = torch.from_numpy(np.concatenate(list(classes.values()))).float()
    paths = tuple(f"{number}.jpg" for number in range(len(rows)))
    return SupportSet(tuple(classes), rows, torch.from_numpy(labels), paths, "weights")


def of_head(shares: np.ndarray) -> Predictions:
    n_faces = len(shares)
    nan, known = np.full(n_faces, np.nan), np.ones(n_faces, dtype=bool)
    return Predictions(HEAD, shares, shares.argmax(axis=1), nan, known, None)


def by_hand(face: np.ndarray, classes: dict[str, np.ndarray]) -> dict[str, float]:
    """Return each taught class's share of a face, one picture at a time."""
    away = {name: np.linalg.norm(face - rows.mean(axis=0)) for name, rows in classes.items()}
    nearest = min(away, key=lambda name: away[name])
    rows = classes[nearest]
    n = len(rows)
    left_out = []
    for place in range(n):
        others = np.delete(rows, place, axis=0).mean(axis=0)
        # n - 1 pictures scatter more about a further one than n do
        left_out.append(np.linalg.norm(rows[place] - others) * np.sqrt((n * n - 1) / n**2))
    spread = np.sqrt((np.var(left_out, ddof=1) + 0.1**2) * (1 + 2 / (n - 1)))
    middle, width = np.mean(left_out) + 2 * spread, 2 * spread / 3
    total = 1 / (1 + np.exp((away[nearest] - middle) / width))
    weights = {name: np.exp(-(distance**2) / 0.12) for name, distance in away.items()}
    return {name: total * weight / sum(weights.values()) for name, weight in weights.items()}


def test_shares_equal_those_by_hand() -> None:
    """Taught classes take their share by distance, the head's the rest; together they make 1. A
    class with one picture does not count; one that the head has too is added to it."""
    classes = {"wink": around(0, 5, 0.1, 1), "happiness": around(1, 3, 0.2, 2)}
    faces = np.concatenate([around(0, 2, 0.1, 3), around(1, 2, 0.3, 4), around(4, 1, 0.1, 5)])
    reach = measure_reach(support_of({**classes, "once": around(2, 1, 0.1, 6)}))
    assert reach is not None
    assert reach.class_names == ("wink", "happiness")
    head = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.9, 0.1], [0.3, 0.7]])
    found = with_taught(of_head(head), reach, torch.from_numpy(faces).float())
    assert found.class_names == ("neutral", "happiness", "wink")
    for face, row, shares in zip(faces, head, found.probabilities, strict=True):
        taught = by_hand(face, classes)
        rest = 1 - sum(taught.values())
        expected = [rest * row[0], rest * row[1] + taught["happiness"], taught["wink"]]
        assert shares == pytest.approx(expected, abs=1e-5)
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(5))
    assert [found.label(row) for row in (0, 1, 4)] == ["wink", "wink", "happiness"]
    to_wink = np.linalg.norm(faces[0] - classes["wink"].mean(axis=0))
    assert found.distances[0] == pytest.approx(to_wink, abs=1e-5)
    assert measure_reach(support_of({"once": around(2, 1, 0.1, 6)})) is None


def test_fewer_pictures_reach_farther() -> None:
    """Two pictures as alike as five leave more room for those to come."""
    five, two = (measure_reach(support_of({"x": np.eye(6)[[0] * n]})) for n in (5, 2))
    assert five is not None
    assert two is not None
    assert two.middle > five.middle
    assert two.width > five.width
