"""An ordinary classifier on the same table: the baseline that few-shot figures are held against."""

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

from fewshot_fer.config.schema import TrainConfig
from fewshot_fer.data.images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.metrics import EpisodeScores, confusion_matrix
from fewshot_fer.models.network import Network
from fewshot_fer.system.ranks import all_gather, data_parallel, rank_slice, world
from fewshot_fer.training.augmentation import augmentation_random, draw_changes, prepare_batch
from fewshot_fer.training.episodic import reduced_precision, seed_dropout
from fewshot_fer.training.optim import build_optimiser, learning_rate, set_learning_rate

Numbers = NDArray[np.int64]


class SupervisedTraining:
    """A network whose linear head over the training classes is trained on shuffled batches."""

    def __init__(
        self,
        network: Network,
        protocol: EpisodicProtocol,
        settings: TrainConfig,
        seed: int,
        dtype: torch.dtype = torch.float32,
        bf16: bool = False,
    ) -> None:
        assert network.head is not None
        self.encoder, self.head = network.encoder, network.head
        self.in_step = data_parallel([network.encoder, network.head])
        self.settings = settings
        self.seed = seed
        self.dtype = dtype
        self.bf16 = bf16
        self.device = next(self.encoder.parameters()).device
        parameters = [*self.encoder.parameters(), *self.head.parameters()]
        self.optimiser = build_optimiser(parameters, settings)
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        self.after_step: Callable[[], None] = lambda: None
        self.weights = class_weights(protocol, settings.class_weights).to(self.device, dtype)

    def run_epoch(
        self, images: FaceImages, protocol: EpisodicProtocol, epoch: int
    ) -> EpisodeScores:
        """Go through the training images, several times where they are fewer than `least_batches`
        hold; each batch counts as an episode in the scores.

        Every batch is dealt to the ranks.
        """
        self.encoder.train()
        seed_dropout(self.seed, epoch)
        least = self.settings.least_batches * self.settings.batch_size
        rows, labels = _shuffled(protocol, self.seed, epoch, least)
        random = augmentation_random(self.seed, epoch)
        changes = draw_changes(len(rows), images.side, self.settings.augment, random)
        parts = math.ceil(len(rows) / self.settings.batch_size)
        edges = np.cumsum([0, *map(len, np.array_split(rows, parts))])
        batches = [slice(start, end) for start, end in pairwise(map(int, edges))]
        losses, predicted = [], []
        bar = tqdm(batches, desc=f"epoch {epoch}", leave=False, disable=None)
        for number, part in enumerate(bar):
            self.between_steps()
            set_learning_rate(
                self.optimiser, learning_rate(self.settings, epoch, number / len(batches))
            )
            given = torch.from_numpy(labels[part]).to(self.device)
            dealt_here = rank_slice(part.stop - part.start)
            part = slice(part.start + dealt_here.start, part.start + dealt_here.stop)
            own = None if changes is None else changes.of(part).to(self.device)
            batch = prepare_batch(images.gather(rows[part]), own, self.dtype)
            loss, logits = self._step(batch, given[dealt_here], self.weights[given].sum())
            losses.append(loss)
            predicted.append(all_gather(logits.argmax(dim=1)))
        guessed = torch.cat(predicted).cpu().numpy()
        correct = guessed == labels
        return EpisodeScores(
            accuracy=np.array([part.mean() for part in np.array_split(correct, parts)]),
            loss=all_gather(torch.stack(losses)[None]).mean(dim=0).double().cpu().numpy(),
            confusion=confusion_matrix(labels, guessed, len(protocol.pool.class_names)),
            row_correct=np.bincount(rows, weights=correct).astype(np.float64),
            row_asked=np.bincount(rows).astype(np.float64),
        )

    def _step(self, batch: Tensor, labels: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step; total: the sum of the weights of all images of the batch, on all ranks."""
        loss, logits = self.in_step(self._loss, batch, labels, total)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.after_step()
        return loss.detach(), logits.detach()

    def _loss(self, batch: Tensor, labels: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, whose mean over the ranks is the mean over the batch, and logits."""
        with reduced_precision(self.device, self.bf16):
            logits = self.head(self.encoder(batch)).to(self.dtype)
        each = F.cross_entropy(
            logits,
            labels,
            weight=self.weights,
            label_smoothing=self.settings.label_smoothing,
            reduction="sum",
        )
        return each * world() / total, logits


def class_weights(protocol: EpisodicProtocol, kind: str) -> Tensor:
    """Return weights [C] of mean 1 over the images: none, inverse (1/n) or root (1/sqrt n)."""
    sizes = torch.from_numpy(protocol.pool.sizes).double()
    power = {"none": 0.0, "root": 0.5, "inverse": 1.0}[kind]
    weights = sizes.pow(-power)
    return weights * sizes.sum() / (weights * sizes).sum()


def _shuffled(
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
