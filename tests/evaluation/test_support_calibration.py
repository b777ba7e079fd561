"""Thresholds and temperatures of a support, against classes whose distribution is known."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewshot_fer.evaluation.calibration import fit_temperature
from fewshot_fer.evaluation.support import SupportSet, support_of_names
from fewshot_fer.evaluation.support_calibration import measure_rejection, support_temperature
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.system.errors import ConfigError

DIMENSIONS, APART = 20, 0.6  # of class means; pictures have a standard deviation of 1
CPU = torch.device("cpu")
Faces = NDArray[np.float64]


def support_of(faces: Faces) -> SupportSet:
    """Return a support of faces [C, shot, D]."""
    way, shot, width = faces.shape
    return SupportSet(
        class_names=tuple(f"class {number}" for number in range(way)),
        embeddings=torch.from_numpy(faces.reshape(-1, width)).float(),
        labels=torch.arange(way).repeat_interleave(shot),
        paths=tuple(f"{number}.jpg" for number in range(way * shot)),
        weights="weights",
    )


def drawn(random: np.random.Generator, means: Faces, shot: int) -> Faces:
    """Return faces [C, shot, D] of classes with these means [C, D]."""
    return means[:, None] + random.normal(size=(len(means), shot, means.shape[1]))


def squared(faces: Faces, prototypes: Faces) -> Faces:
    """Return squared distances [N, C] of faces [..., D] to prototypes [C, D]."""
    flat = faces.reshape(-1, 1, faces.shape[-1])
    return np.square(flat - prototypes).sum(axis=2)


def threshold_of_validation(random: np.random.Generator) -> float:
    """Return what 4-way 5-shot episodes give: the nearest of three others."""
    nearest = []
    for _ in range(200):
        means = random.normal(size=(4, DIMENSIONS)) * APART
        prototypes = drawn(random, means, 5).mean(axis=1)
        nearest.append(squared(drawn(random, means[:1], 10), prototypes[1:]).min(axis=1))
    return float(np.quantile(np.concatenate(nearest), 0.05))


@pytest.mark.parametrize(("way", "shot"), [(5, 5), (5, 50), (7, 20), (11, 5), (11, 50)])
def test_unknown_classes_are_accepted_as_often_as_wanted(way: int, shot: int) -> None:
    """New classes of the same distribution: 5 % of their faces, on average over supports; the
    threshold of validation's shape is twice as far off where there is more of either."""
    random = np.random.default_rng([way, shot])
    in_validation = threshold_of_validation(random)
    accepted, before, turned_away, expected = [], [], [], []
    for _ in range(60):
        means = random.normal(size=(way + 40, DIMENSIONS)) * APART
        faces = drawn(random, means[:way], shot)
        found = measure_rejection(0.05, support_of(faces), {}, of_training=False)
        prototypes = faces.mean(axis=1)
        unknown = squared(drawn(random, means[way:], 10), prototypes).min(axis=1)
        known = squared(drawn(random, means[:way], 20), prototypes).min(axis=1)
        accepted.append((-unknown >= found.threshold).mean())
        before.append((unknown <= in_validation).mean())
        turned_away.append((-known < found.threshold).mean())
        expected.append(found.false_reject)
    assert 0.025 < np.mean(accepted) < 0.075
    assert np.mean(expected) == pytest.approx(np.mean(turned_away), abs=0.05)
    if (way, shot) != (5, 5):
        assert np.mean(before) - 0.05 > 2 * abs(np.mean(accepted) - 0.05)


def test_faces_left_out_by_hand() -> None:
    """Classes of 2, 3, 3 and 4 pictures, each left out for itself with numpy."""
    random = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2, 3], [2, 3, 3, 4])
    faces = random.normal(size=(12, 5)) + 2 * np.eye(5)[labels]
    support = SupportSet(
        *(("a", "b", "c", "d"), torch.from_numpy(faces).float(), torch.from_numpy(labels)),
        *(tuple(f"{row}.jpg" for row in range(12)), "weights"),
    )
    unknown, known = [], []
    for row, (face, own) in enumerate(zip(faces, labels, strict=True)):
        rest = np.arange(12) != row
        others = [faces[labels == c].mean(axis=0) for c in range(4) if c != own]
        unknown.append(squared(face, np.stack(others)).min())
        count = (labels == own).sum()
        to_own = squared(face, faces[rest & (labels == own)].mean(axis=0)[None])[0, 0]
        known.append(min(unknown[-1], to_own * (1 + 1 / count) / (1 + 1 / (count - 1))))
    found = measure_rejection(0.25, support, {}, of_training=False)
    place = int(np.ceil(13 * 0.75 ** (3 / 4)))
    assert -found.threshold == pytest.approx(np.sort(unknown)[::-1][place - 1], rel=1e-5)
    assert found.false_reject == pytest.approx((np.array(known) > -found.threshold + 1e-4).mean())
    assert found.facts()["measured"] == [
        {
            "on": "support",
            "classes": 4,
            "pictures": 12,
            "accepted": pytest.approx((12 - place + 1) / 12),
        }
    ]


def test_the_stricter_of_two_measurements_holds() -> None:
    """Stored faces that come nearer than the support's own decide, but those of its classes."""
    random = np.random.default_rng(5)
    faces = drawn(random, random.normal(size=(5, DIMENSIONS)), 20)
    support, centre = support_of(faces), torch.from_numpy(faces.mean(axis=(0, 1))).float()
    near = {"other": centre + 0.1 * torch.randn(40, DIMENSIONS)}
    far = {"other": centre + 100 * torch.randn(40, DIMENSIONS)}
    alone = measure_rejection(0.05, support, {}, of_training=False)
    assert measure_rejection(0.05, support, far, of_training=False).threshold == alone.threshold
    assert measure_rejection(0.05, support, near, of_training=False).threshold > alone.threshold
    own = {"class 1": near["other"]}
    assert measure_rejection(0.05, support, own, of_training=False).validation is None


def test_what_cannot_be_measured_is_refused() -> None:
    """Too few pictures name the rate that they can show; what training knew needs other faces, and
    so does a support of names."""
    random = np.random.default_rng(6)
    five = support_of(drawn(random, random.normal(size=(5, DIMENSIONS)), 5))
    one_each = support_of(drawn(random, random.normal(size=(11, DIMENSIONS)), 1))
    three = support_of(drawn(random, random.normal(size=(3, DIMENSIONS)), 50))
    names = support_of_names(
        ["a", "b"], Priors(("a", "b"), torch.randn(2, DIMENSIONS), 1.0, None, {}), "weights"
    )
    others = {"other": torch.randn(19, DIMENSIONS)}
    for rate, support, faces, of_training, said in (
        (0.04, five, others, False, r"25 pictures of 5 classes .* reject=0\.048"),
        (0, five, others, False, r"reject=0\.048"),
        (0.05, one_each, others, False, r"11 pictures of 11 classes .* reject=0\.092"),
        (0.05, three, others, False, "pictures of 4; the support has 3"),
        (0.05, five, {}, True, "stores no faces"),
        (0.05, names, {}, False, "stores no faces"),
        (0.04, names, others, False, r"reject=0\.05 "),
    ):
        with pytest.raises(ConfigError, match=said):
            measure_rejection(rate, support, faces, of_training)
    assert measure_rejection(0.05, names, others, False).false_reject is None
    assert measure_rejection(0.1, one_each, {}, False).false_reject is None
    assert measure_rejection(0.048, five, {}, False).left_out is not None


def test_a_temperature_is_that_of_further_faces() -> None:
    """11 classes of 20 pictures: as on fresh faces, where 4-way 5-shot episodes say otherwise."""
    random = np.random.default_rng(7)
    found, right = [], []
    for _ in range(5):
        means = random.normal(size=(11, DIMENSIONS)) * APART
        faces = drawn(random, means, 20)
        found.append(support_temperature(support_of(faces), PROTOTYPES, CPU))
        logits = -squared(drawn(random, means, 50), faces.mean(axis=1))
        labels = torch.arange(11).repeat_interleave(50)
        right.append(fit_temperature(torch.from_numpy(logits), labels))
    assert np.mean(np.array(found, dtype=float)) == pytest.approx(np.mean(right), rel=0.1)
    assert support_temperature(support_of(faces[:, :9]), PROTOTYPES, CPU) is None  # too few
    apart = drawn(random, 100 * means, 20)
    assert support_temperature(support_of(apart), PROTOTYPES, CPU) is None  # no optimum
