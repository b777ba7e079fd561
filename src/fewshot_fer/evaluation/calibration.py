"""What a run stores to calibrate predictions: temperatures, and faces of unknown classes.

A temperature spreads or sharpens the softmax (Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017, section 4.2). It is fitted on validation queries. The faces are validation's
too; how near they come is measured on the support in use, see `support_calibration`.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.scoring import logits_in_chunks
from fewshot_fer.evaluation.support import PER_CLASS
from fewshot_fer.evaluation.tasks import EpisodicTask, FixedTask, Task
from fewshot_fer.evaluation.votes import QUERIES
from fewshot_fer.models.methods.method import Method, for_single_pictures
from fewshot_fer.models.network import query_labels
from fewshot_fer.system.errors import RunError

EPISODES = 2_000  # or images of a head; more of them make a calibration no better
EARLIER = ("known", "unknown")  # quantiles in validation's own shape, of earlier checkpoints
STEPS = 80  # of a golden-section search, which leaves exp(-38) of the interval
LOWEST, HIGHEST = math.log(1e-4), math.log(1e8)  # of the logarithm of the temperature
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Calibration:
    """Temperatures fitted on validation queries, and embeddings of unknown faces in validation.

    probabilities = softmax(logits / temperature), for single pictures.
    """

    temperature: float
    head_temperature: float | None = None  # of a classifier's head; None: validation knows no class
    # Class -> [n, D] float32, on the CPU: up to PER_CLASS images of classes that training lacks.
    unknown_faces: Mapping[str, Tensor] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Return plain values, which a file can hold."""
        return {**vars(self), "unknown_faces": dict(self.unknown_faces)}


def calibration_from(content: dict[str, Any], where: str) -> Calibration:
    """Return the calibration in `content`, checked. Raises RunError naming `where` it lay."""
    try:
        found = Calibration(**{key: content[key] for key in content if key not in EARLIER})
        of_head = [] if found.head_temperature is None else [found.head_temperature]
        fits = all(_is_temperature(each) for each in (found.temperature, *of_head))
        if not fits or not all(_are_faces(*item) for item in found.unknown_faces.items()):
            raise ValueError("shapes, types or ranges")
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{where}: the calibration in it is damaged") from error
    return found


def run_calibration(
    validation: Task, model: FewShotModel, training_classes: Sequence[str], seed: int
) -> Calibration:
    """Fit temperatures on the validation's queries and keep its faces of other classes.

    The method is the one for single pictures: prototypes, or a classifier's head where validation
    has images of its classes. training_classes: those that are not unknown.
    """
    logits, labels = _logits(validation, model.embedder, for_single_pictures(model.method), seed)
    return Calibration(
        temperature=fit_temperature(logits.double().cpu(), labels.cpu()),
        head_temperature=_head_temperature(validation, model.embedder, seed),
        unknown_faces=_unknown_faces(validation, model.embedder, training_classes, seed),
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature with the least mean negative log-likelihood of labels [N].

    The likelihood has one optimum in the temperature, since it is concave in its inverse. Logits
    that are always right have none: their temperature is the lowest of the range searched, 1e-4.
    """

    def cost(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(torch.nn.functional.cross_entropy(scaled, labels))

    low, high = LOWEST, HIGHEST
    for _ in range(STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if cost(left) <= cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _logits(
    validation: Task, embedder: Embedder, method: Method, seed: int
) -> tuple[Tensor, Tensor]:
    """Return logits [N, way] of validation's queries and their true positions [N]."""
    if isinstance(validation, EpisodicTask):
        return _episode_logits(validation, embedder, method, seed)
    return _fixed_logits(validation, embedder, method)


def _episode_logits(
    task: EpisodicTask, embedder: Embedder, method: Method, seed: int
) -> tuple[Tensor, Tensor]:
    """Return logits [N, way] and true positions [N] of the queries of the task's episodes.

    Those of clips are drawn of their frames here: predictions are of single pictures.
    """
    episodes = task.protocol.of_images().draw(seed).first(EPISODES)
    rows = episodes.images()
    embeddings = embedder.embed(task.images, rows)
    logits = torch.cat(list(logits_in_chunks(method, embeddings, rows, episodes)))
    labels = query_labels(episodes.query.shape[1], episodes.query.shape[2])
    return logits.flatten(0, 1).cpu(), labels.repeat(len(logits))


@torch.inference_mode()
def _fixed_logits(task: FixedTask, embedder: Embedder, method: Method) -> tuple[Tensor, Tensor]:
    """Return logits [Q, way] of the queries that the first draw scores, and their classes [Q]."""
    rows, scored = task.protocol.support.rows[0], np.flatnonzero(task.protocol.scored[0])
    support = embedder.embed(task.support_images, rows.ravel()).reshape(*rows.shape, -1)
    query = embedder.embed(task.images, scored)
    bound = method.among(task.protocol.support.class_names, query)
    logits = [bound.once(support, some).cpu() for some in torch.split(query, QUERIES)]
    return torch.cat(logits), torch.from_numpy(task.protocol.labels[scored])


@torch.inference_mode()
def _head_temperature(validation: Task, embedder: Embedder, seed: int) -> float | None:
    """Return the temperature of a classifier's head, None without one.

    It is fitted on validation images of the head's own classes, EPISODES at most; without such
    images it is None too.
    """
    if embedder.head is None:
        return None
    names = {name: number for number, name in enumerate(embedder.head_names)}
    classes = np.array([names.get(label, -1) for label in validation.protocol.table["label"]])
    rows = np.flatnonzero(classes >= 0)
    if not len(rows):
        return None
    random = np.random.default_rng([seed, zlib.crc32(b"head temperature")])
    rows = np.sort(random.permutation(rows)[:EPISODES])
    logits = embedder.head(embedder.embed(validation.images, rows)).double().cpu()
    return fit_temperature(logits, torch.from_numpy(classes[rows]))


def _unknown_faces(
    validation: Task, embedder: Embedder, training_classes: Sequence[str], seed: int
) -> dict[str, Tensor]:
    """Return embeddings [n, D] of up to PER_CLASS validation images of each class that training
    does not have."""
    labels = validation.protocol.table["label"].to_numpy()
    random = np.random.default_rng([seed, zlib.crc32(b"unknown faces")])
    faces = {}
    for name in sorted(set(labels) - set(training_classes)):
        rows = np.sort(random.permutation(np.flatnonzero(labels == name))[:PER_CLASS])
        faces[str(name)] = embedder.embed(validation.images, rows).float().cpu()
    return faces


def _are_faces(name: object, faces: object) -> bool:
    """Return whether types and shapes are right: text, and float32 [n, D] without nan."""
    return (
        isinstance(name, str)
        and isinstance(faces, Tensor)
        and (faces.ndim, faces.dtype) == (2, torch.float32)
        and len(faces) > 0
        and bool(torch.isfinite(faces).all())
    )


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
