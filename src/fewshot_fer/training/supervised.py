"""Supervised training: epochs of a linear classifier over the training classes."""

from collections.abc import Callable, Sequence
from functools import partial
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
from fewshot_fer.system.device import Precision, to_device
from fewshot_fer.system.progress import tqdm
from fewshot_fer.system.ranks import all_gather, data_parallel, rank_slice, world
from fewshot_fer.training.batches import Batches, draw_batches, shuffled_rows
from fewshot_fer.training.captured_batches import BeforeStep, Block, CapturedBatches
from fewshot_fer.training.compound_losses import pair_losses
from fewshot_fer.training.compounds import (
    EpochCompounds,
    MixedBatch,
    begin_in,
    class_pairs,
    paired_classes,
    supervised_compounds,
)
from fewshot_fer.training.cuda_graph import Step
from fewshot_fer.training.episodic import seed_dropout
from fewshot_fer.training.optim import (
    build_optimiser,
    learning_rate,
    set_learning_rate,
    stages_by_rate,
)
from fewshot_fer.training.targets import Targets, class_weights
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
        self.captured: CapturedBatches | None = None

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
        blocks = self._blocks(batches)
        seed_dropout(self.seed, epoch)  # after a capture, which draws too
        loss, predicted = self._run_blocks(batches, blocks, epoch)
        rows, labels = batches.counted()
        correct = predicted == labels
        return EpisodeScores(
            accuracy=np.array([part.mean() for part in batches.by_batch(correct)]),
            loss=loss.double().cpu().numpy(),
            confusion=confusion_matrix(labels, predicted, len(protocol.pool.class_names)),
            row_correct=np.bincount(rows, weights=correct).astype(np.float64),
            row_asked=np.bincount(rows).astype(np.float64),
        )

    def capture_steps(self) -> None:
        """Capture steps as CUDA graphs from now on, where they need no more than images and
        classes; for a process that trains alone, on a GPU."""
        modules = self.network.modules()
        step = Step(self._predict_in_step, modules, self.optimiser, self.precision.dtype)
        self.captured = CapturedBatches(step)

    def _blocks(self, batches: Batches) -> list[Block]:
        """Return the numbers of batches in a row that are taken in one way: all or, where steps are
        captured, those of one size, with these steps."""
        others = (batches.mixing, batches.turns, self.teacher, self.compounds)
        if self.captured is None or any(each is not None for each in others):
            return [(slice(0, len(batches.edges) - 1), None)]
        return self.captured.blocks(batches)

    def _run_blocks(
        self, batches: Batches, blocks: Sequence[Block], epoch: int
    ) -> tuple[Tensor, Numbers]:
        """Return the loss [n_batches] of each batch and the predicted class [N] of each image."""
        before = partial(self._before_step, epoch=epoch, n_batches=len(batches.edges) - 1)
        losses, predicted = [], []
        for numbers, captured in blocks:
            if captured is None:
                made = self._run_block(batches, numbers, before, epoch)
            else:
                faces, classes = batches.block(numbers)
                first = partial(before, first=numbers.start)
                made = captured.run(faces, epoch, first, self.after_step, (classes,))
            losses.append(made[0].flatten())
            predicted.append(made[1].flatten())
        # Sent once an epoch: a message in each step would be one that each step waits for.
        loss = all_gather(torch.cat(losses)[None]).mean(dim=0)
        return loss, batches.in_order(all_gather(torch.cat(predicted)).cpu().numpy())

    def _before_step(self, number: int, epoch: int, n_batches: int, first: int = 0) -> None:
        self.between_steps()
        rate = learning_rate(self.settings, epoch, (first + number) / n_batches)
        set_learning_rate(self.optimiser, rate)

    def _run_block(
        self, batches: Batches, numbers: slice, before_step: BeforeStep, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of batches and the predicted classes of this rank's images, from steps
        that are started one by one."""
        edges = list(pairwise(batches.edges[numbers.start : numbers.stop + 1]))
        bar = tqdm(edges, desc=f"epoch {epoch}", leave=False, disable=None)
        losses, predicted = [], []
        for number, (start, end) in enumerate(bar, start=numbers.start):
            before_step(number)
            own = rank_slice(end - start)
            part = slice(start + own.start, start + own.stop)
            batch = batches.images(part, self.precision.dtype)
            targets = self._targets(batches, slice(start, end), own)
            loss, logits = self._step(batch, targets, self._mixed(start, end))
            if self.after_step is not None:
                self.after_step()
            losses.append(loss)
            predicted.append(logits.argmax(dim=1))
        return torch.stack(losses), torch.cat(predicted)

    def _predict_in_step(self, batch: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step whose batch is this rank's alone; return its loss [1] and the predictions."""
        total = self.weights_of(classes).sum()
        loss, logits = self._step(batch, Targets(classes, total, None, len(classes)), None)
        return loss[None], logits.argmax(dim=1)[None]

    def _targets(self, batches: Batches, batch: slice, own: slice) -> Targets:
        """Return this rank's targets of a batch."""
        classes = to_device(batches.targets(batch, len(self.weights)), self.device)
        if classes.is_floating_point():
            classes = classes.to(self.weights.dtype)
        total = self.weights_of(classes).sum()
        turns = None
        if batches.turns is not None:
            turns = to_device(torch.from_numpy(batches.turns[batch][own]), self.device)
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
