"""An ordinary classifier on the same table: the baseline that few-shot figures are held against."""

import math
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from fewshot_fer.augmentation import augmentation_random, draw_changes, prepare_batch
from fewshot_fer.config import TrainConfig
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores, confusion_matrix
from fewshot_fer.optimiser import build_adam, set_learning_rate
from fewshot_fer.roles import Role
from fewshot_fer.training import learning_rate, reduced_precision

Numbers = NDArray[np.int64]


class SupervisedTraining:
    """An encoder with a linear head over the training classes, trained on shuffled batches."""

    def __init__(
        self,
        encoder: nn.Module,
        role: Role,
        settings: TrainConfig,
        image_size: int,
        seed: int,
        dtype: torch.dtype = torch.float32,
        bf16: bool = False,
    ) -> None:
        self.encoder = encoder
        self.settings = settings
        self.seed = seed
        self.dtype = dtype
        self.bf16 = bf16
        self.device = next(encoder.parameters()).device
        self.head: nn.Module | None = build_head(encoder, len(role.pool.class_names), image_size)
        parameters = [*encoder.parameters(), *self.head.parameters()]
        self.optimiser = build_adam(parameters, settings.lr)
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        self.weights = class_weights(role, settings.class_weights).to(self.device, dtype)

    def run_epoch(self, images: FaceImages, role: Role, epoch: int) -> EpisodeScores:
        """Go once through the training images; each batch counts as an episode in the scores."""
        assert self.head is not None
        set_learning_rate(self.optimiser, learning_rate(self.settings, epoch))
        self.encoder.train()
        rows, labels = _shuffled(role, self.seed, epoch)
        random = augmentation_random(self.seed, epoch)
        changes = draw_changes(len(rows), images.side, self.settings.augment, random)
        parts = math.ceil(len(rows) / self.settings.batch_size)
        edges = np.cumsum([0, *map(len, np.array_split(rows, parts))])
        batches = [slice(start, end) for start, end in pairwise(map(int, edges))]
        losses, predicted = [], []
        for part in tqdm(batches, desc=f"epoch {epoch}", leave=False, disable=None):
            self.between_steps()
            own = None if changes is None else changes.of(part).to(self.device)
            batch = prepare_batch(images.gather(rows[part]), own, self.dtype)
            loss, logits = self._step(batch, torch.from_numpy(labels[part]).to(self.device))
            losses.append(loss)
            predicted.append(logits.argmax(dim=1))
        given = torch.cat(predicted).cpu().numpy()
        correct = given == labels
        return EpisodeScores(
            accuracy=np.array([part.mean() for part in np.array_split(correct, parts)]),
            loss=torch.stack(losses).double().cpu().numpy(),
            confusion=confusion_matrix(labels, given, len(role.pool.class_names)),
            row_correct=np.bincount(rows, weights=correct).astype(np.float64),
            row_asked=np.bincount(rows).astype(np.float64),
        )

    def _step(self, batch: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        assert self.head is not None
        with reduced_precision(self.device, self.bf16):
            logits = self.head(self.encoder(batch)).to(self.dtype)
        loss = F.cross_entropy(logits, labels, weight=self.weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach(), logits.detach()


def build_head(encoder: nn.Module, n_classes: int, image_size: int) -> nn.Linear:
    """Return a linear layer from the encoder's features to classes, where the encoder is."""
    parameter = next(encoder.parameters())
    was_training = encoder.training
    encoder.eval()  # one blank image must not count in the batch norms' statistics
    with torch.no_grad():
        blank = torch.zeros(1, 3, image_size, image_size).to(parameter)
        features = encoder(blank).shape[1]
    encoder.train(was_training)
    return nn.Linear(features, n_classes).to(parameter)


def class_weights(role: Role, kind: str) -> Tensor:
    """Return weights [C] of mean 1 over the images: none, inverse (1/n) or root (1/sqrt n)."""
    sizes = torch.from_numpy(role.pool.sizes).double()
    power = {"none": 0.0, "root": 0.5, "inverse": 1.0}[kind]
    weights = sizes.pow(-power)
    return weights * sizes.sum() / (weights * sizes).sum()


def _shuffled(role: Role, seed: int, epoch: int) -> tuple[Numbers, Numbers]:
    """Return all rows of the pool and their class numbers in the order of an epoch."""
    pool = role.pool
    labels = np.repeat(np.arange(len(pool.sizes)), pool.sizes)
    random = np.random.default_rng([seed, zlib.crc32(b"shuffle"), epoch])
    order = random.permutation(len(pool.rows))
    return pool.rows[order], labels[order]
