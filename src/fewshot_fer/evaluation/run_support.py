"""Support set and calibration stored in the checkpoint of a finished run."""

import zlib
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.evaluation.calibration import Calibration, calibrate, fit_temperature
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.fixed import QUERIES
from fewshot_fer.evaluation.scoring import logits_in_chunks
from fewshot_fer.evaluation.support import SupportSet, with_priors
from fewshot_fer.evaluation.tasks import EpisodicTask, FixedTask, Task
from fewshot_fer.models.methods.method import PROTOTYPES, Method, for_single_pictures
from fewshot_fer.models.network import query_labels

PER_CLASS = 50  # images, as in the study's fixed support; 350 embeddings of 1,600 are 2.2 MB
EPISODES = 2_000  # or images of a head; more of them make a calibration no better
Rows = NDArray[np.int64]


def run_support(
    training: EpisodicTask,
    validation: Task,
    model: FewShotModel,
    weights: str,
    seed: int,
) -> SupportSet:
    """Return the first draw of a fixed support, if the run has one, else some training images.

    With the fixed support a picture gets the prediction that it had in predictions.csv. Of the
    training images up to PER_CLASS of every class are taken. weights: digest, see
    `embedding_digest`.
    """
    if isinstance(validation, FixedTask):
        support = validation.protocol.support
        rows = list(support.rows[0])
        names, table = support.class_names, validation.protocol.support_table
        images = validation.support_images
    else:
        names, table = training.protocol.pool.class_names, training.protocol.table
        rows, images = _some_of_each_class(training, seed), training.images
    chosen = np.concatenate(rows)
    labels = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    own = SupportSet(
        class_names=tuple(names),
        embeddings=model.embedder.embed(images, chosen).float().cpu(),
        labels=torch.from_numpy(labels),
        paths=tuple(table["path"].iloc[chosen].astype(str)),
        weights=weights,
    )
    priors = model.method.priors
    return own if priors is None else with_priors(own, priors)


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


def _some_of_each_class(training: EpisodicTask, seed: int) -> list[Rows]:
    """Return up to PER_CLASS training rows of every class, shuffled."""
    pool = training.protocol.pool
    random = np.random.default_rng([seed, zlib.crc32(b"own support")])
    return [random.permutation(own)[:PER_CLASS] for own in pool.members]


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
