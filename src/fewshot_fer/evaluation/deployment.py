"""What a run carries away to be put to use: labelled embeddings of its own, and a calibration.

What a run remembers of the images that it was trained on, to compare new faces with.
"""

import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.calibration import Calibration, calibrate, fit_temperature
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.fixed import QUERIES
from fewshot_fer.evaluation.scoring import logits_in_chunks
from fewshot_fer.evaluation.support import SupportSet, with_priors
from fewshot_fer.evaluation.tasks import EpisodicTask, FixedTask, Task
from fewshot_fer.models.methods.method import PROTOTYPES, Method, for_single_pictures
from fewshot_fer.models.network import query_labels
from fewshot_fer.models.preprocessing import KINDS, Normalisation
from fewshot_fer.system.errors import RunError

PER_CLASS = 50  # images, as in the study's fixed support; 350 embeddings of 1,600 are 2.2 MB
EPISODES = 2_000  # or images; more of them make a calibration no better
Rows = NDArray[np.int64]


def run_support(
    training: EpisodicTask,
    validation: Task,
    embedder: Embedder,
    method: Method,
    weights: str,
    seed: int,
) -> SupportSet:
    """Return the first draw of a fixed support, if the run has one, so that a picture gets the
    answer that it had in predictions.csv; else up to 50 training images of every class."""
    if isinstance(validation, FixedTask):
        support = validation.role.support
        rows = list(support.rows[0])
        names, table = support.class_names, validation.role.support_table
        images = validation.support_images
    else:
        names, table = training.role.pool.class_names, training.role.table
        rows, images = _some_of_each_class(training, seed), training.images
    chosen = np.concatenate(rows)
    labels = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    own = SupportSet(
        class_names=tuple(names),
        embeddings=embedder.embed(images, chosen).float().cpu(),
        labels=torch.from_numpy(labels),
        paths=tuple(table["path"].iloc[chosen].astype(str)),
        weights=weights,
    )
    return own if method.priors is None else with_priors(own, method.priors)


def run_calibration(validation: Task, embedder: Embedder, method: Method, seed: int) -> Calibration:
    """Fit probabilities and "none of these" on the validation's queries, as pictures are answered:
    with prototypes, or a classifier's head where validation has images of its classes."""
    answering = for_single_pictures(method)
    logits, labels = _answers(validation, embedder, answering, seed)
    nearness = logits
    if not answering.gives_distances:
        nearness, _ = _answers(validation, embedder, PROTOTYPES, seed)
    found = calibrate(logits, nearness, labels)
    return replace(found, head_temperature=_head_temperature(validation, embedder, seed))


def _answers(
    validation: Task, embedder: Embedder, method: Method, seed: int
) -> tuple[Tensor, Tensor]:
    """Return logits [N, way] of validation's queries and their true positions [N]."""
    if isinstance(validation, EpisodicTask):
        return _episode_answers(validation, embedder, method, seed)
    return _fixed_answers(validation, embedder, method)


@torch.inference_mode()
def _head_temperature(validation: Task, embedder: Embedder, seed: int) -> float | None:
    """Return the temperature of a classifier's head on validation images of its own classes, all
    or EPISODES of them; None without a head or such images."""
    if embedder.head is None:
        return None
    names = {name: number for number, name in enumerate(embedder.head_names)}
    classes = np.array([names.get(label, -1) for label in validation.role.table["label"]])
    rows = np.flatnonzero(classes >= 0)
    if not len(rows):
        return None
    random = np.random.default_rng([seed, zlib.crc32(b"head temperature")])
    rows = np.sort(random.permutation(rows)[:EPISODES])
    logits = embedder.head(embedder.embed(validation.images, rows)).double().cpu()
    return fit_temperature(logits, torch.from_numpy(classes[rows]))


def _some_of_each_class(training: EpisodicTask, seed: int) -> list[Rows]:
    pool = training.role.pool
    random = np.random.default_rng([seed, zlib.crc32(b"own support")])
    members = [np.unique(rows) for rows in np.split(pool.rows, np.cumsum(pool.sizes)[:-1])]
    return [random.permutation(own)[:PER_CLASS] for own in members]


def _episode_answers(
    part: EpisodicTask, embedder: Embedder, method: Method, seed: int
) -> tuple[Tensor, Tensor]:
    """Return logits [N, way] and true positions [N] of the queries of the part's episodes."""
    drawn = part.role.draw(seed)
    first = slice(EPISODES)
    episodes = Episodes(
        drawn.class_names, drawn.classes[first], drawn.support[first], drawn.query[first]
    )
    rows = episodes.images()
    embeddings = embedder.embed(part.images, rows)
    logits = torch.cat(list(logits_in_chunks(method, embeddings, rows, episodes)))
    labels = query_labels(episodes.query.shape[1], episodes.query.shape[2])
    return logits.flatten(0, 1).cpu(), labels.repeat(len(logits))


@torch.inference_mode()
def _fixed_answers(part: FixedTask, embedder: Embedder, method: Method) -> tuple[Tensor, Tensor]:
    """Return logits [Q, way] of the queries for the first draw's support, and their classes [Q]."""
    rows = part.role.support.rows[0]
    support = embedder.embed(part.support_images, rows.ravel()).reshape(*rows.shape, -1)
    query = embedder.embed(part.images, np.arange(len(part.role.table)))
    among = method.among(part.role.support.class_names, query)
    parts = [among.once(support, some).cpu() for some in torch.split(query, QUERIES)]
    return torch.cat(parts), torch.from_numpy(part.role.labels)


MEAN_IMAGES = 2_000  # drawn as they are distributed: the mean of more moves by under a hundredth
CLASS_IMAGES = 200  # of each class for its prototypes, all of a smaller one


@dataclass(frozen=True)
class TrainingStatistics:
    """mean [D]: of embeddings before they are normalised; prototypes: of every training class,
    [C, D] for each way to normalise, the mean of a class's normalised embeddings; spreads: their
    mean squared distance to it, over the classes."""

    class_names: tuple[str, ...]
    mean: Tensor
    prototypes: dict[str, Tensor]
    spreads: dict[str, float]

    def normalisation(self, kind: str) -> Normalisation:
        """Return a normalisation around this mean."""
        return Normalisation(kind, self.mean if kind == "cl2n" else None)

    def content(self) -> dict[str, Any]:
        """Return plain values, which a checkpoint can hold."""
        return {**vars(self), "class_names": list(self.class_names)}


def statistics_from(content: dict[str, Any], where: str) -> TrainingStatistics:
    """Return the training side in `content`, checked. Raises RunError naming `where` it lay."""
    if not isinstance(content.get("class_names"), list):
        raise RunError(f"{where}: what it says of the training images is damaged")
    try:
        names = tuple(str(name) for name in content["class_names"])
        mean, prototypes = content["mean"], {k: content["prototypes"][k] for k in KINDS}
        spreads = {k: float(content["spreads"][k]) for k in KINDS}
        shapes = {tuple(each.shape) for each in prototypes.values()}
        fits = shapes == {(len(names), *mean.shape)} and mean.ndim == 1 and len(names) > 0
        fits = fits and all(map(_are_numbers, (mean, *prototypes.values())))
        fits = fits and all(0 <= spread < math.inf for spread in spreads.values())
    except (
        LookupError,
        ArithmeticError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
    ) as error:
        raise RunError(f"{where}: what it says of the training images is damaged") from error
    if not fits:
        raise RunError(f"{where}: what it says of the training images is damaged")
    return TrainingStatistics(names, mean, prototypes, spreads)


def _are_numbers(values: Tensor) -> bool:
    return values.dtype == torch.float32 and bool(torch.isfinite(values).all())


def gather_statistics(embedder: Embedder, training: EpisodicTask, seed: int) -> TrainingStatistics:
    """Embed a sample of the training images, the same one for a seed, without augmentation."""
    pool = training.role.pool
    random = np.random.default_rng([seed, zlib.crc32(b"training side")])
    drawn = random.permutation(pool.rows)[:MEAN_IMAGES]
    members = [np.unique(rows) for rows in np.split(pool.rows, np.cumsum(pool.sizes)[:-1])]
    members = [np.sort(random.permutation(own)[:CLASS_IMAGES]) for own in members]
    rows = np.unique(np.concatenate([drawn, *members]))
    embedded = embedder.encode(training.images, rows).float().cpu()
    mean = embedded[torch.from_numpy(np.searchsorted(rows, drawn))].double().mean(dim=0).float()
    places = [torch.from_numpy(np.searchsorted(rows, own)) for own in members]
    prototypes, spreads = {}, {}
    for kind in KINDS:
        ready = Normalisation(kind, mean)(embedded).double()
        classes = [ready[own] for own in places]
        prototypes[kind] = torch.stack([own.mean(dim=0) for own in classes]).float()
        spreads[kind] = float(np.mean([_spread(own) for own in classes]))
    return TrainingStatistics(pool.class_names, mean, prototypes, spreads)


def _spread(embedded: Tensor) -> float:
    """Return the variance of embeddings [N, D] summed over D, 0 of a single one."""
    return float(embedded.var(dim=0).sum()) if len(embedded) > 1 else 0.0
