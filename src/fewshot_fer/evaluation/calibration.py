"""Calibration of distances: probabilities that can be believed, and "none of these".

Both are fitted on validation queries. A temperature spreads or sharpens the softmax (Guo et al.,
"On Calibration of Modern Neural Networks", ICML 2017, section 4.2). How near a face of an unknown
class comes to a prototype is measured by taking each query's own class out of its support.
"""

import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.scoring import logits_in_chunks
from fewshot_fer.evaluation.tasks import QUERIES, EpisodicTask, FixedTask, Task
from fewshot_fer.models.methods.method import PROTOTYPES, Method, for_single_pictures
from fewshot_fer.models.network import query_labels
from fewshot_fer.system.errors import RunError

EPISODES = 2_000  # or images of a head; more of them make a calibration no better
QUANTILES = 1001
STEPS = 80  # of a golden-section search, which leaves exp(-38) of the interval
LOWEST, HIGHEST = math.log(1e-4), math.log(1e8)  # of the logarithm of the temperature
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Calibration:
    """Calibration fitted on validation queries.

    Nearness is minus the squared Euclidean distance to the nearest prototype.
    """

    temperature: float  # probabilities = softmax(logits / temperature), for single pictures
    known: Tensor  # [1001] quantiles of nearness where the query's class is in the support
    unknown: Tensor  # [1001] the same where it was taken out
    head_temperature: float | None = None  # of a classifier's head; None: validation knows no class

    def threshold(self, false_accept: float) -> float:
        """Return the nearness that this share (0..1) of faces of unknown classes exceeds."""
        return float(torch.quantile(self.unknown, 1 - false_accept))

    def false_reject(self, threshold: float) -> float:
        """Return the share (0..1) of known-class queries that a threshold turns away."""
        return float((self.known < threshold).double().mean())

    def content(self) -> dict[str, Any]:
        """Return plain values, which a file can hold."""
        return dict(vars(self))


def calibration_from(content: dict[str, Any], where: str) -> Calibration:
    """Return the calibration in `content`, checked. Raises RunError naming `where` it lay."""
    try:
        found = Calibration(**content)
        of_head = [] if found.head_temperature is None else [found.head_temperature]
        fits = all(_is_temperature(each) for each in (found.temperature, *of_head))
        if not fits or not found.known.shape == found.unknown.shape == (QUANTILES,):
            raise ValueError("shapes or ranges")
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{where}: the calibration in it is damaged") from error
    return found


def run_calibration(validation: Task, model: FewShotModel, seed: int) -> Calibration:
    """Fit probabilities and "none of these" on the validation's queries.

    The method is the one for single pictures: prototypes, or a classifier's head where validation
    has images of its classes.
    """
    embedder, single = model.embedder, for_single_pictures(model.method)
    logits, labels = _logits(validation, embedder, single, seed)
    nearness = logits
    if not single.gives_distances:
        nearness, _ = _logits(validation, embedder, PROTOTYPES, seed)
    found = calibrate(logits, nearness, labels)
    return replace(found, head_temperature=_head_temperature(validation, embedder, seed))


def calibrate(logits: Tensor, nearness: Tensor, labels: Tensor) -> Calibration:
    """Return a calibration fitted on logits [N, way] and nearness [N, way].

    nearness: minus the squared distances to the prototypes; labels [N]: true positions among them.
    """
    nearness, labels = nearness.double().cpu(), labels.cpu()
    without = nearness.scatter(1, labels[:, None], -torch.inf)
    steps = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    return Calibration(
        temperature=fit_temperature(logits.double().cpu(), labels),
        known=torch.quantile(_at_most(nearness.amax(dim=1)), steps).float(),
        unknown=torch.quantile(_at_most(without.amax(dim=1)), steps).float(),
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
    """Return logits [N, way] and true positions [N] of the queries of the task's episodes."""
    episodes = task.protocol.draw(seed).first(EPISODES)
    rows = episodes.images()
    embeddings = embedder.embed(task.images, rows)
    logits = torch.cat(list(logits_in_chunks(method, embeddings, rows, episodes)))
    labels = query_labels(episodes.query.shape[1], episodes.query.shape[2])
    return logits.flatten(0, 1).cpu(), labels.repeat(len(logits))


@torch.inference_mode()
def _fixed_logits(task: FixedTask, embedder: Embedder, method: Method) -> tuple[Tensor, Tensor]:
    """Return logits [Q, way] of the queries for the first draw's support, and their classes [Q]."""
    rows = task.protocol.support.rows[0]
    support = embedder.embed(task.support_images, rows.ravel()).reshape(*rows.shape, -1)
    query = embedder.embed(task.images, np.arange(len(task.protocol.table)))
    bound = method.among(task.protocol.support.class_names, query)
    logits = [bound.once(support, some).cpu() for some in torch.split(query, QUERIES)]
    return torch.cat(logits), torch.from_numpy(task.protocol.labels)


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


def _at_most(values: Tensor, count: int = 1_000_000) -> Tensor:
    """Return an even selection of values: torch.quantile takes no more than 16 million."""
    return values[:: max(1, -(-len(values) // count))]


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
