"""Temperatures are fitted on what answers pictures, and faces of other classes are kept."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import face_table
from torch import Tensor, nn

from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.calibration import fit_temperature, run_calibration
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.models.methods.method import PROTOTYPES, Method, untrained_method
from fewshot_fer.models.methods.registry import (
    MAPS,
    TRUNK,
    build_logits,
    find_method,
    method_names,
)

SHAPE = Shape(3, 2, 2)
CLASSES = ("a", "b", "c", "d")
Stub = Any  # what stands for an embedder and for images


def task_of(*names: str) -> EpisodicTask:
    """Return a validation of ten images a class, in 30 episodes."""
    table = face_table(dict.fromkeys(names, 10))
    protocol = EpisodicProtocol("validation", "made", "made", table, 30, build_pool(table, SHAPE))
    images: Stub = None
    return EpisodicTask(protocol, images)


def embedder_of(task: EpisodicTask, head: nn.Module | None = None, *names: str) -> Stub:
    """Return what embeds the images of a task near a place of their class."""
    random = torch.Generator().manual_seed(2)
    classes = torch.from_numpy(task.protocol.table["label"].factorize()[0])
    known = torch.randn(4, 6, generator=random)[classes]
    known = known + torch.randn(len(classes), 6, generator=random)

    def embed(_: Stub, rows: Any) -> Tensor:  # noqa: ANN401
        return known[torch.from_numpy(rows)]

    return SimpleNamespace(head=head, head_names=names, embed=embed, known=known)


def some_methods() -> dict[str, Method]:
    trained = {name: build_logits(name, 16, 4) for name in method_names(needs_episodes=True)}
    for logits in trained.values():
        assert isinstance(logits, nn.Module)
        logits.eval()
    made = {name: Method(name, logits) for name, logits in trained.items()}
    others = [name for name in method_names(needs_no_training=True) if _on_vectors(name)]
    return made | {name: untrained_method(name) for name in others}


def _on_vectors(name: str) -> bool:
    """Return whether a method takes any vectors: feature maps have a shape of their own."""
    return find_method(name).on not in (MAPS, TRUNK)


def test_methods_of_means_need_nothing_but_means() -> None:
    """Each query alone against the class means has the logits that it has in an episode; methods
    that look at single support images, or at the other queries, are not among them."""
    random = torch.Generator().manual_seed(1)
    support, query = (
        torch.randn(1, 4, 5, 16, generator=random),
        torch.randn(6, 16, generator=random),
    )
    for name, method in some_methods().items():
        with torch.no_grad():
            whole = method.logits(support, query[None])[0]
            means = support.mean(dim=2)[0]
            alone = torch.cat([method.by_means(means, one[None]) for one in query])
        same = torch.allclose(whole, alone, atol=1e-4)
        assert same == find_method(name).of_means == method.is_of_means, name
        assert not (method.queries and same), name


def test_each_method_is_calibrated_as_it_answers() -> None:
    """The cosine's own temperature; what is made for episodes has the calibration of the prototypes
    that stand in for it."""
    task = task_of(*CLASSES)
    embedder = embedder_of(task)
    plain = run_calibration(task, FewShotModel(embedder, PROTOTYPES, 1), CLASSES, 0)
    cosine = build_logits("cosine", 6, 1)
    found = run_calibration(task, FewShotModel(embedder, Method("cosine", cosine), 1), CLASSES, 0)
    assert found.temperature != pytest.approx(plain.temperature, rel=0.05)
    tim = FewShotModel(embedder, untrained_method("tim"), 1)
    assert run_calibration(task, tim, CLASSES, 0).temperature == plain.temperature
    assert plain.head_temperature is None


def test_faces_of_classes_that_training_lacks_are_kept() -> None:
    """All ten of each such class, and none of a class of training."""
    task = task_of(*CLASSES)
    embedder = embedder_of(task)
    model = FewShotModel(embedder, PROTOTYPES, 1)
    kept = run_calibration(task, model, ("b", "c", "z"), 0).unknown_faces
    labels = task.protocol.table["label"].to_numpy()
    assert list(kept) == ["a", "d"]
    for name, faces in kept.items():
        torch.testing.assert_close(faces, embedder.known[torch.from_numpy(labels == name)])
    assert run_calibration(task, model, CLASSES, 0).unknown_faces == {}


def test_a_head_is_calibrated_where_validation_has_its_classes() -> None:
    """On all images of those classes, whatever else there is; without any, on nothing."""
    head = nn.Linear(6, 4)
    task = task_of("b", "c", "z")
    embedder = embedder_of(task, head, *CLASSES)
    model = FewShotModel(embedder, PROTOTYPES, 1)
    found = run_calibration(task, model, CLASSES, 0).head_temperature
    labels = task.protocol.table["label"].to_numpy()
    rows = np.flatnonzero(labels != "z")
    truth = torch.tensor([CLASSES.index(label) for label in labels[rows]])
    with torch.no_grad():
        logits = head(embedder.known[torch.from_numpy(rows)]).double()
    assert found == pytest.approx(fit_temperature(logits, truth))
    strangers = task_of("x", "y", "z")
    embedder = embedder_of(strangers, head, *CLASSES)
    model = FewShotModel(embedder, PROTOTYPES, 1)
    assert run_calibration(strangers, model, CLASSES, 0).head_temperature is None
