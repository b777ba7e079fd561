"""The learning itself: the network, its phases in turn, and the average of its weights.

The weights of this moment made ready to answer: embedder, method, and the training side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fewshot_fer.config.method_rules import VALIDATION
from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.episodes.protocol import EpisodicProtocol, supervised_protocol
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.methods import choose_method, choose_prior_weight, reweighted
from fewshot_fer.evaluation.metrics import EpisodeScores
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import (
    TrainingStatistics,
    gather_statistics,
    statistics_from,
)
from fewshot_fer.models.methods.registry import find_method
from fewshot_fer.models.network import Network, WeightAverage, build_network
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.models.shared_batch_norm import share_batch_norms
from fewshot_fer.runs.checkpoint import Checkpoint
from fewshot_fer.system.device import DTYPES
from fewshot_fer.training.episodic import EpisodicTraining
from fewshot_fer.training.optim import load_optimiser
from fewshot_fer.training.supervised import SupervisedTraining

Loop = EpisodicTraining | SupervisedTraining


class Trainer:
    """Supervised epochs first, then epochs of episodes, over the same weights.

    A phase starts with an optimiser of its own and, where weights are averaged, from the average.
    """

    def __init__(self, settings: TrainVerb, training: EpisodicTask, encoder: nn.Module) -> None:
        self.settings = settings
        self.training = training
        self.dtype = DTYPES[settings.precision]
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        in_memory = encoder.to(memory_format=torch.channels_last)
        classes = len(training.protocol.pool.class_names)
        self.network = build_network(settings, in_memory, classes)
        if settings.train.epochs:
            share_batch_norms(self.network.modules())
        self.device = next(encoder.parameters()).device
        decay = settings.train.average
        self.average = WeightAverage(self.network, decay) if decay else None
        kind = settings.method.normalise
        # In episodes; a training mean is known from the first validation on.
        self.normalisation = Normalisation("l2" if kind == "cl2n" else kind)
        self._loops: dict[bool, Loop] = {}

    @property
    def answering(self) -> Network:
        """The network whose answers count."""
        return self.network if self.average is None else self.average.averaged()

    def run_epoch(self, epoch: int) -> tuple[EpisodeScores, EpisodicProtocol]:
        """Train for an epoch (from 1); return its scores and the protocol that was trained on."""
        supervised = epoch <= supervised_epochs(self.settings)
        if self.average is not None and epoch == supervised_epochs(self.settings) + 1 > 1:
            self.network.load(self.average.averaged().state())
        loop, protocol = self._loop(supervised), self.training.protocol
        loop.between_steps = self.between_steps
        if self.average is not None:
            loop.after_step = self.average.update
        if isinstance(loop, SupervisedTraining):
            protocol = supervised_protocol(protocol)
        else:
            loop.normalisation = self.normalisation
        return loop.run_epoch(self.training.images, protocol, epoch), protocol

    def method_name(self, epoch: int) -> str:
        """Return what was trained in an epoch, as results.csv names it."""
        if epoch <= supervised_epochs(self.settings):
            return "classifier"
        return find_method(self.settings.method.name).trained_as

    def optimiser_state(self, epoch: int) -> dict[str, Any]:
        """Return the state of the optimiser that ran in an epoch; of epoch 0 there is none."""
        if epoch == 0:
            return {}
        return self._loop(epoch <= supervised_epochs(self.settings)).optimiser.state_dict()

    def raw_state(self) -> dict[str, Any] | None:
        """Return the weights behind the average, None where nothing is averaged."""
        return None if self.average is None else self.average.state()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the end of an epoch. Raises RunError where the checkpoint is damaged."""
        parts = {"encoder": checkpoint.encoder, "head": checkpoint.head}
        parts["method"] = checkpoint.method
        state = {name: part for name, part in parts.items() if part is not None}
        if self.average is not None and checkpoint.raw is not None:
            self.average.load(state, checkpoint.raw)
        else:
            self.network.load(state)
        if self.settings.method.normalise == "cl2n" and checkpoint.training_side is not None:
            side = statistics_from(checkpoint.training_side, "last.pt")
            self.normalisation = side.normalisation("cl2n")
        if checkpoint.epoch:
            loop = self._loop(checkpoint.epoch <= supervised_epochs(self.settings))
            load_optimiser(loop.optimiser, checkpoint.optimiser)

    def _loop(self, supervised: bool) -> Loop:
        if supervised not in self._loops:
            settings, bf16 = self.settings, self.settings.precision == "bf16"
            how = (settings.train, settings.seed, self.dtype, bf16)
            self._loops[supervised] = (
                SupervisedTraining(self.network, self.training.protocol, *how)
                if supervised
                else EpisodicTraining(self.network, *how)
            )
        return self._loops[supervised]


@dataclass(frozen=True)
class Snapshot:
    """side, prior_weight: None where the method needs none, or no such choice is made."""

    network: Network
    model: FewShotModel
    side: TrainingStatistics | None
    prior_weight: float | None


def take_snapshot(
    settings: TrainVerb, learning: Trainer, training: EpisodicTask, validation: Task, epoch: int
) -> Snapshot:
    """Fold the weights into an embedder and gather what its method must know.

    The embeddings of training images are centred in the next epoch as they are found here.
    """
    network = learning.answering
    network.modules().eval()
    names = training.protocol.pool.class_names
    head = network.head if settings.method.name == "classifier" else None
    embedder = Embedder(network.encoder, learning.dtype, head, names)
    kind, side = settings.method.normalise, None
    if kind == "cl2n" or settings.method.name == "composed":
        side = gather_statistics(embedder, training, settings.seed)
    learning.normalisation = side.normalisation(kind) if side else Normalisation(kind)
    embedder = embedder.normalised(learning.normalisation)
    method, weight = choose_method(settings.method, network.logits, side), None
    if method.priors is not None and settings.method.prior_weight == VALIDATION:
        weight = choose_prior_weight(embedder, method, validation, settings.seed)
        method = reweighted(method, weight)
    return Snapshot(network, FewShotModel(embedder, method, epoch), side, weight)
