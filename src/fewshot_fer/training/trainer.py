"""Train a network for an epoch, take a snapshot of its weights, and make checkpoints of them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fewshot_fer.config.model_schema import LEARNT, VALIDATION
from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.episodes.protocol import EpisodicProtocol, supervised_protocol
from fewshot_fer.evaluation.calibration import run_calibration
from fewshot_fer.evaluation.choose_method import choose_method, choose_prior_weight, reweighted
from fewshot_fer.evaluation.embedder import FewShotModel, embedding_digest
from fewshot_fer.evaluation.metrics import EpisodeScores
from fewshot_fer.evaluation.support import run_support
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import (
    TrainingStatistics,
    gather_statistics,
    statistics_from,
)
from fewshot_fer.evaluation.views import Views
from fewshot_fer.models.methods.registry import FEATURES, find_method
from fewshot_fer.models.network import Network, WeightAverage, build_network
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.models.shared_batch_norm import share_batch_norms
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.runs.load import load_model
from fewshot_fer.runs.resume import Progress
from fewshot_fer.system.device import DTYPES, Precision
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.learnt_composition import with_pair_maps
from fewshot_fer.training.optim import load_optimiser
from fewshot_fer.training.quarter_turns import rotation_head
from fewshot_fer.training.supervised import SupervisedTraining


class Trainer:
    """Supervised epochs first, then epochs of episodes, over the same weights.

    A phase starts with an optimiser of its own and, where weights are averaged, from the average.
    """

    def __init__(self, settings: TrainVerb, training: EpisodicTask, encoder: nn.Module) -> None:
        self.settings = settings
        self.training = training
        precision = settings.precision
        self.precision = Precision(DTYPES[precision], bf16=precision == "bf16")
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        encoder = encoder.to(memory_format=torch.channels_last)
        n_classes = len(training.protocol.pool.class_names)
        self.network = build_network(settings, encoder, n_classes)
        if settings.train.rotation_weight:
            self.network.rotation = rotation_head(encoder, settings.backbone.side)
        if settings.train.epochs:
            share_batch_norms(self.network.modules())
        self.device = next(encoder.parameters()).device
        decay = settings.train.average
        self.average = WeightAverage(self.network, decay) if decay else None
        kind = settings.method.normalise
        # Of episodes' embeddings; a training mean is known from the first validation on.
        self.normalisation = Normalisation("l2" if kind == "cl2n" else kind)
        self._phases: dict[bool, EpisodicTraining | SupervisedTraining] = {}

    @property
    def evaluated(self) -> Network:
        """The network that is evaluated: of the averaged weights where they are averaged."""
        return self.network if self.average is None else self.average.averaged()

    def run_epoch(self, epoch: int) -> tuple[EpisodeScores, EpisodicProtocol]:
        """Train for an epoch, from 1; return its scores and the protocol that it followed."""
        first_after_supervised = epoch == supervised_epochs(self.settings) + 1 > 1
        if self.average is not None and first_after_supervised:
            self.network.load(self.average.averaged().state())
        phase, protocol = self._phase(epoch), self.training.protocol
        phase.between_steps = self.between_steps
        if self.average is not None:
            phase.after_step = self.average.update
        if isinstance(phase, SupervisedTraining):
            protocol = supervised_protocol(protocol)
        else:
            phase.normalisation = self.normalisation
        return phase.run_epoch(self.training.images, protocol, epoch), protocol

    def _phase(self, epoch: int) -> EpisodicTraining | SupervisedTraining:
        """Return what trains in an epoch, with the optimiser of its phase."""
        supervised = self.is_supervised(epoch)
        if supervised not in self._phases:
            how = (self.settings.train, self.settings.seed, self.precision)
            if supervised:
                protocol = self.training.protocol
                self._phases[True] = SupervisedTraining(self.network, protocol, *how)
            else:
                self._phases[False] = EpisodicTraining(self.network, *how, self.settings.fast)
        return self._phases[supervised]

    def is_supervised(self, epoch: int) -> bool:
        """Return whether an epoch trains a classifier."""
        return epoch <= supervised_epochs(self.settings)

    def method_name(self, epoch: int) -> str:
        """Return what was trained in an epoch, as results.csv names it."""
        if self.is_supervised(epoch):
            return "classifier"
        return find_method(self.settings.method.name).trained_as

    def optimiser_state(self, epoch: int) -> dict[str, Any]:
        """Return the state of the optimiser that ran in an epoch; of epoch 0 there is none."""
        return self._phase(epoch).optimiser.state_dict() if epoch else {}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the end of an epoch. Raises RunError where the checkpoint is damaged."""
        stored = {"encoder": checkpoint.encoder, "head": checkpoint.head}
        stored |= {"method": checkpoint.method, "rotation": checkpoint.rotation}
        state = {name: weights for name, weights in stored.items() if weights is not None}
        if self.average is not None and checkpoint.raw is not None:
            self.average.load(state, checkpoint.raw)
        else:
            self.network.load(state)
        if self.settings.method.normalise == "cl2n" and checkpoint.training_side is not None:
            statistics = statistics_from(checkpoint.training_side, "last.pt")
            self.normalisation = statistics.normalisation("cl2n")
        if checkpoint.epoch:
            load_optimiser(self._phase(checkpoint.epoch).optimiser, checkpoint.optimiser)


@dataclass(frozen=True)
class Snapshot:
    """The weights after an epoch, as they are evaluated and kept.

    statistics, prior_weight: None where the method needs none, or has none.
    """

    network: Network
    model: FewShotModel
    statistics: TrainingStatistics | None
    prior_weight: float | None


def take_snapshot(trainer: Trainer, validation: Task, epoch: int) -> Snapshot:
    """Snapshot the weights after an epoch for evaluation.

    With cl2n, the next epoch centres embeddings by the training mean that is found here.
    """
    settings, network = trainer.settings, trainer.evaluated
    network.modules().eval()
    views = Views(settings, network, trainer.training.protocol.pool.class_names)
    embedder = views.embedder(find_method(settings.method.name).on)
    kind, statistics = settings.method.normalise, None
    if kind == "cl2n" or find_method(settings.method.name).zero_shot:
        statistics = gather_statistics(embedder, trainer.training, settings.seed)
        if settings.method.name == "composed" and settings.method.composition == LEARNT:
            statistics = with_pair_maps(statistics, embedder, trainer.training, settings)
    trainer.normalisation = statistics.normalisation(kind) if statistics else Normalisation(kind)
    embedder = embedder.normalised(trainer.normalisation)
    method, weight = choose_method(settings.method, views, statistics), None
    if method.priors is not None and settings.method.prior_weight == VALIDATION:
        weight = choose_prior_weight(embedder, method, validation, settings.seed)
        method = reweighted(method, weight)
    return Snapshot(network, FewShotModel(embedder, method, epoch), statistics, weight)


def snapshot_checkpoint(
    trainer: Trainer, snapshot: Snapshot, val_accuracy: float, progress: Progress
) -> Checkpoint:
    """Return the checkpoint of a snapshot, from which training can go on."""
    state, statistics = snapshot.network.state(), snapshot.statistics
    epoch = snapshot.model.epoch
    return Checkpoint(
        encoder=state["encoder"],
        epoch=epoch,
        val_accuracy=val_accuracy,
        class_names=list(trainer.training.protocol.pool.class_names),
        image_size=trainer.settings.backbone.side,
        optimiser=trainer.optimiser_state(epoch),
        head=state.get("head"),
        method=state.get("method"),
        rotation=state.get("rotation"),
        training_side=None if statistics is None else statistics.content(),
        prior_weight=snapshot.prior_weight,
        raw=None if trainer.average is None else trainer.average.state(),
        progress=asdict(progress),
    )


def complete_checkpoints(
    settings: TrainVerb,
    folder: Path,
    training: EpisodicTask,
    validation: Task,
    device: torch.device,
) -> None:
    """Add to best.pt and last.pt what inference without any data set needs.

    That is a support set, a calibration, and the statistics of the training images.
    """
    completed: dict[int, Checkpoint] = {}
    for name in ("best.pt", "last.pt"):
        checkpoint = load_checkpoint(folder / name, device)
        if checkpoint.epoch not in completed:
            model, seed = load_model(settings, checkpoint, device), settings.seed
            checkpoint = _with_statistics(checkpoint, model, training, settings)
            digest = embedding_digest(checkpoint.encoder, model.embedder)
            support = run_support(training, validation, model, digest, seed)
            known = training.protocol.pool.class_names
            calibration = run_calibration(validation, model, known, seed)
            completed[checkpoint.epoch] = replace(
                checkpoint, support=support.content(), calibration=calibration.content()
            )
        save_checkpoint(folder / name, completed[checkpoint.epoch])


def _with_statistics(
    checkpoint: Checkpoint, model: FewShotModel, training: EpisodicTask, settings: TrainVerb
) -> Checkpoint:
    """Return a checkpoint with the statistics of the training images that it lacks."""
    learnt = settings.method.composition == LEARNT
    if checkpoint.training_side is not None and not learnt:
        return checkpoint
    assert model.views is not None
    features = model.views.embedder(FEATURES)
    if checkpoint.training_side is None:
        statistics = gather_statistics(features, training, settings.seed)
    else:
        statistics = statistics_from(checkpoint.training_side, "the checkpoint")
    if learnt and statistics.pair_maps is None:
        statistics = with_pair_maps(statistics, features, training, settings)
    if learnt and statistics.pair_maps is not None:
        left = statistics.pair_maps[settings.method.normalise].left
        print(
            f"composition learnt after epoch {checkpoint.epoch}: on pairs that it was not fitted "
            f"to, {left:.0%} of the error of the mean of the parts is left",
            flush=True,
        )
    return replace(checkpoint, training_side=statistics.content())
