"""Supervised training: epochs of a linear classifier over the training classes."""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.metrics import EpisodeScores, confusion_matrix
from fewshot_fer.models.network import Network
from fewshot_fer.system.device import Precision
from fewshot_fer.system.progress import tqdm
from fewshot_fer.system.ranks import all_gather, data_parallel, rank_slice, world
from fewshot_fer.training.batches import Batches, draw_batches
from fewshot_fer.training.compound_losses import pair_losses
from fewshot_fer.training.compounds import (
    EpochCompounds,
    MixedBatch,
    begin_in,
    class_pairs,
    paired_classes,
    supervised_compounds,
)
from fewshot_fer.training.episodic import seed_dropout
from fewshot_fer.training.optim import (
    build_optimiser,
    learning_rate,
    set_learning_rate,
    stages_by_rate,
)
from fewshot_fer.training.teacher import Teacher

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Targets:
    """What a batch, or this rank's share of it, is compared with.

    classes: numbers [B], or shares [B, C] of mixtures; total: the sum of the classes' weights over
    the whole batch, on all ranks; turns [B]: quarter turns, None without that task; count: of the
    images of the whole batch.
    """

    classes: Tensor
    total: Tensor
    turns: Tensor | None
    count: int


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
        self.rotation = network.rotation
        self.settings = settings
        self.seed = seed
        self.precision = precision
        self.device = next(self.encoder.parameters()).device
        learning = [self.encoder, self.head]
        if self.rotation is not None:
            learning.append(self.rotation)
        self.in_step = data_parallel(learning)
        parameters = [weight for module in learning for weight in module.parameters()]
        own, stages = self.encoder.parameters(), stages_by_rate(self.encoder, settings)
        self.optimiser = build_optimiser(parameters, settings, own, stages)
        weights = class_weights(protocol, settings.class_weights)
        self.weights = weights.to(self.device, precision.dtype)
        pairs = class_pairs(paired_classes(protocol.pool.class_names))
        self.pairs = torch.from_numpy(pairs).to(self.device)
        self.compounds: EpochCompounds | None = None
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        self.after_step: Callable[[], None] | None = None
        self.after_backward: Callable[[], None] | None = None
        self.teacher: Teacher | None = None

    def run_epoch(
        self, images: FaceImages, protocol: EpisodicProtocol, epoch: int
    ) -> EpisodeScores:
        """Go through the training images, several times where they fill no `least_batches`.

        Ranks share each batch. Returns scores in which each batch counts as an episode, by the loss
        of the classes alone; of a mixture the class with the larger share counts as right.
        """
        least = self.settings.least_batches * self.settings.batch_size
        shuffled = shuffled_rows(protocol, self.seed, epoch, least)
        batches = draw_batches(images, shuffled, self.settings, self.seed, epoch)
        self.compounds = None
        if begin_in(self.settings, epoch):
            count, at = batches.edges[-1], (self.seed, epoch)
            self.compounds = supervised_compounds(images, protocol.pool, count, self.settings, at)
        self.network.start_training(self.settings.freeze_batch_norm)
        seed_dropout(self.seed, epoch)
        loss, predicted = self._run_batches(batches, epoch)
        rows, labels = batches.counted()
        correct = predicted == labels
        return EpisodeScores(
            accuracy=np.array([part.mean() for part in batches.by_batch(correct)]),
            loss=loss.double().cpu().numpy(),
            confusion=confusion_matrix(labels, predicted, len(protocol.pool.class_names)),
            row_correct=np.bincount(rows, weights=correct).astype(np.float64),
            row_asked=np.bincount(rows).astype(np.float64),
        )

    def _run_batches(self, batches: Batches, epoch: int) -> tuple[Tensor, Numbers]:
        """Return the loss [n_batches] of each batch and the predicted class [N] of each image."""
        edges = list(pairwise(batches.edges))
        bar = tqdm(edges, desc=f"epoch {epoch}", leave=False, disable=None)
        losses, predicted = [], []
        for number, (start, end) in enumerate(bar):
            self.between_steps()
            rate = learning_rate(self.settings, epoch, number / len(edges))
            set_learning_rate(self.optimiser, rate)
            own = rank_slice(end - start)
            part = slice(start + own.start, start + own.stop)
            batch = batches.images(part, self.precision.dtype)
            targets = self._targets(batches, slice(start, end), own)
            loss, logits = self._step(batch, targets, self._mixed(start, end))
            losses.append(loss)
            predicted.append(all_gather(logits.argmax(dim=1)))
        loss = all_gather(torch.stack(losses)[None]).mean(dim=0)
        return loss, torch.cat(predicted).cpu().numpy()

    def _targets(self, batches: Batches, batch: slice, own: slice) -> Targets:
        """Return this rank's targets of a batch."""
        classes = batches.targets(batch, len(self.weights)).to(self.device)
        if classes.is_floating_point():
            classes = classes.to(self.weights.dtype)
        total = self.weights_of(classes).sum()
        turns = None
        if batches.turns is not None:
            turns = torch.from_numpy(batches.turns[batch][own]).to(self.device)
        return Targets(classes[own], total, turns, batch.stop - batch.start)

    def weights_of(self, classes: Tensor) -> Tensor:
        """Return the weights [B] of images of classes [B], or with shares [B, C] of them."""
        return classes @ self.weights if classes.is_floating_point() else self.weights[classes]

    def _mixed(self, start: int, end: int) -> MixedBatch | None:
        """Return this rank's share of the mixed pictures that go with images start to end."""
        first, last = (round(edge * self.settings.compounds.share) for edge in (start, end))
        if self.compounds is None or first == last:
            return None
        own = rank_slice(last - first)
        part = slice(first + own.start, first + own.stop)
        return self.compounds.batch(part, last - first, self.precision.dtype)

    def _step(
        self, batch: Tensor, targets: Targets, mixed: MixedBatch | None
    ) -> tuple[Tensor, Tensor]:
        """Take a step; return the loss of the classes and their logits from before it."""
        loss, classified, logits = self.in_step(self._loss, batch, targets, mixed)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.after_backward is not None:
            self.after_backward()
        self.optimiser.step()
        if self.after_step is not None:
            self.after_step()
        return classified.detach(), logits.detach()

    def _loss(
        self, batch: Tensor, targets: Targets, mixed: MixedBatch | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss whose gradient is taken, that of the classes alone, and their logits.

        The mean of a loss over the ranks is its mean over the batch. Mixed pictures go through the
        encoder in the same forward.
        """
        pictures = batch if mixed is None else torch.cat([batch, mixed.pictures])
        with self.precision.forward(self.device):
            embeddings = self.encoder(pictures)
            logits = self.head(embeddings).to(self.precision.dtype)
        logits, of_mixed = logits[: len(batch)], logits[len(batch) :]
        smoothing = self.settings.label_smoothing
        each = F.cross_entropy(
            logits, targets.classes, self.weights, label_smoothing=smoothing, reduction="sum"
        )
        classified = each * world() / targets.total
        if self.teacher is not None:
            share = self.teacher.share
            apart = self.weights_of(targets.classes) * self.teacher.divergence(batch, logits)
            given = apart.sum() * world() / targets.total
            classified = (1 - share) * classified + share * given
        loss = classified
        if mixed is not None:
            paired = pair_losses(of_mixed, self.pairs, mixed.labels).sum() * world() / mixed.count
            loss = loss + self.settings.compounds.weight * paired
        if self.rotation is None or targets.turns is None:
            return loss, classified, logits
        with self.precision.forward(self.device):
            by_turn = self.rotation(embeddings[: len(batch)]).to(self.precision.dtype)
        turns = F.cross_entropy(by_turn, targets.turns, reduction="sum") * world() / targets.count
        return loss + self.settings.rotation_weight * turns, classified, logits


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
