"""Train a network for an epoch, of either kind, and go back to the end of one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.episodes.protocol import EpisodicProtocol, supervised_protocol
from fewshot_fer.evaluation.metrics import EpisodeScores
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.evaluation.training_statistics import (
    statistics_from,
)
from fewshot_fer.models.methods.registry import find_method
from fewshot_fer.models.network import Network, WeightAverage, build_network
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.models.shared_batch_norm import share_batch_norms
from fewshot_fer.runs.checkpoint import Checkpoint
from fewshot_fer.system.device import DTYPES, Precision
from fewshot_fer.system.ranks import world
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.last_epochs import average_epoch, first_averaged
from fewshot_fer.training.optim import load_optimiser
from fewshot_fer.training.pull_to_start import PullToStart
from fewshot_fer.training.quarter_turns import rotation_head
from fewshot_fer.training.supervised import SupervisedTraining
from fewshot_fer.training.teacher import Teacher


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
        train = settings.train
        if train.freeze_batch_norm or train.frozen_stages:  # which ranks must know from the start
            self.network.start_training(train.freeze_batch_norm)
        averages = train.average or train.average_last
        self.average = WeightAverage(self.network, train.average or None) if averages else None
        self.pull = PullToStart(encoder, train.l2_start) if train.l2_start else None
        self.teacher: Teacher | None = None
        kind = settings.method.normalise
        # Of episodes' embeddings; a training mean is known from the first validation on.
        self.normalisation = Normalisation("l2" if kind == "cl2n" else kind)
        self._phases: dict[bool, EpisodicTraining | SupervisedTraining] = {}

    @property
    def evaluated(self) -> Network:
        """The network that is evaluated: of the averaged weights where they are averaged."""
        return self.network if self.averaged is None else self.averaged.averaged()

    @property
    def averaged(self) -> WeightAverage | None:
        """The average of weights, None where none is taken or, with `average_last`, not yet."""
        if self.average is None or self.settings.train.average or self.average.updates:
            return self.average
        return None

    def run_epoch(self, epoch: int) -> tuple[EpisodeScores, EpisodicProtocol]:
        """Train for an epoch, from 1; return its scores and the protocol that it followed."""
        first_after_supervised = epoch == supervised_epochs(self.settings) + 1 > 1
        moving = self.average if self.settings.train.average else None
        if moving is not None and first_after_supervised:
            self.network.load(moving.averaged().state())
        phase, protocol = self._phase(epoch), self.training.protocol
        phase.between_steps = self.between_steps
        if moving is not None:
            phase.after_step = moving.update
        if self.pull is not None:
            phase.after_backward = self.pull.add_gradient
        if isinstance(phase, SupervisedTraining):
            phase.teacher = self.teacher
            protocol = supervised_protocol(protocol)
        else:
            phase.normalisation = self.normalisation
        scores = phase.run_epoch(self.training.images, protocol, epoch)
        if epoch >= first_averaged(self.settings.train):
            assert self.average is not None
            batch_size = self.settings.train.batch_size
            average_epoch(self.average, self.training, batch_size, self.precision)
        return scores, protocol

    def _phase(self, epoch: int) -> EpisodicTraining | SupervisedTraining:
        """Return what trains in an epoch, with the optimiser of its phase."""
        supervised = self.is_supervised(epoch)
        if supervised not in self._phases:
            settings, protocol = self.settings, self.training.protocol
            how = (settings.train, settings.seed, self.precision)
            for before in self._phases.values():  # its captured steps and moments take memory
                before.captured = None  # steps hold their phase, and it them
            self._phases.clear()
            if supervised:
                phase = SupervisedTraining(self.network, protocol, *how)
                if settings.fast and self.device.type == "cuda" and world() == 1:
                    phase.capture_steps()
                self._phases[True] = phase
            else:
                self._phases[False] = EpisodicTraining(self.network, *how, settings.fast)
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
        if self.pull is not None:
            self.pull.load(checkpoint.start or {})
        if self.average is not None and checkpoint.raw is not None:
            self.average.load(state, checkpoint.raw)
        else:
            self.network.load(state)
        if self.settings.method.normalise == "cl2n" and checkpoint.training_side is not None:
            statistics = statistics_from(checkpoint.training_side, "last.pt")
            self.normalisation = statistics.normalisation("cl2n")
        if checkpoint.epoch:
            load_optimiser(self._phase(checkpoint.epoch).optimiser, checkpoint.optimiser)
