"""Supervised training: epochs of a linear classifier over the training classes."""

import math
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.metrics import EpisodeScores, confusion_matrix
from fewshot_fer.models.network import Network
from fewshot_fer.system.device import Precision
from fewshot_fer.system.ranks import all_gather, data_parallel, rank_slice, world
from fewshot_fer.training.augmentation import EpochImages, epoch_images
from fewshot_fer.training.episodic import seed_dropout
from fewshot_fer.training.optim import (
    build_optimiser,
    learning_rate,
    set_learning_rate,
    stages_by_rate,
)
from fewshot_fer.training.teacher import Teacher

Numbers = NDArray[np.int64]


class SupervisedTraining:
    """A network whose linear head over the training classes is trained on shuffled batches."""

    def __init__(
        self,
        network: Network,
        protocol: EpisodicProtocol,
        settings: TrainConfig,
        seed: int,
        precision: Precision,
    ) -> None:
        assert network.head is not None
        self.network = network
        self.encoder, self.head = network.encoder, network.head
        self.settings = settings
        self.seed = seed
        self.precision = precision
        self.device = next(self.encoder.parameters()).device
        self.in_step = data_parallel([self.encoder, self.head])
        parameters = [*self.encoder.parameters(), *self.head.parameters()]
        own, stages = self.encoder.parameters(), stages_by_rate(self.encoder, settings)
        self.optimiser = build_optimiser(parameters, settings, own, stages)
        weights = class_weights(protocol, settings.class_weights)
        self.weights = weights.to(self.device, precision.dtype)
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        self.after_step: Callable[[], None] | None = None
        self.after_backward: Callable[[], None] | None = None
        self.teacher: Teacher | None = None

    def run_epoch(
        self, images: FaceImages, protocol: EpisodicProtocol, epoch: int
    ) -> EpisodeScores:
        """Go through the training images, several times where they fill no `least_batches`.

        Ranks share each batch. Returns scores in which each batch counts as an episode.
        """
        least = self.settings.least_batches * self.settings.batch_size
        rows, labels = shuffled_rows(protocol, self.seed, epoch, least)
        faces = epoch_images(images, rows, self.settings.augment, self.seed, epoch)
        self.network.start_training(self.settings.freeze_batch_norm)
        seed_dropout(self.seed, epoch)
        n_batches = math.ceil(len(rows) / self.settings.batch_size)
        loss, predicted = self._run_batches(faces, labels, n_batches, epoch)
        correct = predicted == labels
        return EpisodeScores(
            accuracy=np.array([part.mean() for part in np.array_split(correct, n_batches)]),
            loss=loss.double().cpu().numpy(),
            confusion=confusion_matrix(labels, predicted, len(protocol.pool.class_names)),
            row_correct=np.bincount(rows, weights=correct).astype(np.float64),
            row_asked=np.bincount(rows).astype(np.float64),
        )

    def _run_batches(
        self, faces: EpochImages, labels: Numbers, n_batches: int, epoch: int
    ) -> tuple[Tensor, Numbers]:
        """Return the loss [n_batches] of each batch and the predicted class [N] of each image."""
        edges = np.cumsum([0, *map(len, np.array_split(labels, n_batches))]).tolist()
        bar = tqdm(list(pairwise(edges)), desc=f"epoch {epoch}", leave=False, disable=None)
        losses, predicted = [], []
        for number, (start, end) in enumerate(bar):
            self.between_steps()
            rate = learning_rate(self.settings, epoch, number / n_batches)
            set_learning_rate(self.optimiser, rate)
            own = rank_slice(end - start)
            part = slice(start + own.start, start + own.stop)
            batch = faces.batch(part, self.precision.dtype)
            given = torch.from_numpy(labels[start:end]).to(self.device)
            loss, logits = self._step(batch, given[own], self.weights[given].sum())
            losses.append(loss)
            predicted.append(all_gather(logits.argmax(dim=1)))
        loss = all_gather(torch.stack(losses)[None]).mean(dim=0)
        return loss, torch.cat(predicted).cpu().numpy()

    def _step(self, batch: Tensor, labels: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step; total: the sum of the weights of all images of the batch, on all ranks."""
        loss, logits = self.in_step(self._loss, batch, labels, total)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.after_backward is not None:
            self.after_backward()
        self.optimiser.step()
        if self.after_step is not None:
            self.after_step()
        return loss.detach(), logits.detach()

    def _loss(self, batch: Tensor, labels: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, whose mean over the ranks is the mean over the batch, and logits."""
        with self.precision.forward(self.device):
            logits = self.head(self.encoder(batch)).to(self.precision.dtype)
        smoothing = self.settings.label_smoothing
        each = F.cross_entropy(
            logits, labels, weight=self.weights, label_smoothing=smoothing, reduction="sum"
        )
        loss = each * world() / total
        if self.teacher is not None:
            share = self.teacher.share
            given = (self.weights[labels] * self.teacher.divergence(batch, logits)).sum()
            loss = (1 - share) * loss + share * given * world() / total
        return loss, logits


def class_weights(protocol: EpisodicProtocol, kind: str) -> Tensor:
    """Return weights [C] of the training classes, of mean 1 over the images.

    kind: none (equal weights), inverse (1 / n) or root (1 / sqrt n).
    """
    sizes = torch.from_numpy(protocol.pool.sizes).double()
    power = {"none": 0.0, "root": 0.5, "inverse": 1.0}[kind]
    weights = sizes.pow(-power)
    return weights * sizes.sum() / (weights * sizes).sum()


def shuffled_rows(
    protocol: EpisodicProtocol, seed: int, epoch: int, least: int = 0
) -> tuple[Numbers, Numbers]:
    """Return all rows of the pool and their class numbers in the order of an epoch, as many times
    over as it takes to have `least`."""
    pool = protocol.pool
    labels = np.repeat(np.arange(len(pool.sizes)), pool.sizes)
    random = np.random.default_rng([seed, zlib.crc32(b"shuffle"), epoch])
    passes = max(1, math.ceil(least / len(pool.rows)))
    order = np.concatenate([random.permutation(len(pool.rows)) for _ in range(passes)])
    return pool.rows[order], labels[order]
