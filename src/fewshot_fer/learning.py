"""The learning itself: the network, its phases in turn, and the average of its weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fewshot_fer.checkpoints import Checkpoint
from fewshot_fer.config import TrainVerb
from fewshot_fer.device import DTYPES
from fewshot_fer.metrics import EpisodeScores
from fewshot_fer.models.catalogue import LEARN_BY_THEMSELVES, TRAINED
from fewshot_fer.network import Network, WeightAverage, build_network
from fewshot_fer.normalising import Normalisation
from fewshot_fer.optimiser import load_optimiser
from fewshot_fer.parts import EpisodicPart
from fewshot_fer.roles import Role, supervised_role
from fewshot_fer.schedules import supervised_epochs
from fewshot_fer.shared_batch_norm import share_batch_norms
from fewshot_fer.supervised import SupervisedTraining
from fewshot_fer.training import EpisodicTraining
from fewshot_fer.training_side import training_side_from

Loop = EpisodicTraining | SupervisedTraining


class Learning:
    """Supervised epochs first, then epochs of episodes, over the same weights.

    A phase starts with an optimiser of its own and, where weights are averaged, from the average.
    """

    def __init__(self, settings: TrainVerb, training: EpisodicPart, encoder: nn.Module) -> None:
        self.settings = settings
        self.training = training
        self.dtype = DTYPES[settings.precision]
        self.between_steps: Callable[[], None] = lambda: None  # may raise, to end an epoch
        in_memory = encoder.to(memory_format=torch.channels_last)
        classes = len(training.role.pool.class_names)
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

    def run_epoch(self, epoch: int) -> tuple[EpisodeScores, Role]:
        """Learn for an epoch (from 1); return what it gave, and the role that was learnt from."""
        supervised = epoch <= supervised_epochs(self.settings)
        if self.average is not None and epoch == supervised_epochs(self.settings) + 1 > 1:
            self.network.load(self.average.averaged().state())
        loop, role = self._loop(supervised), self.training.role
        loop.between_steps = self.between_steps
        if self.average is not None:
            loop.after_step = self.average.update
        if isinstance(loop, SupervisedTraining):
            role = supervised_role(role)
        else:
            loop.normalisation = self.normalisation
        return loop.run_epoch(self.training.images, role, epoch), role

    def method_name(self, epoch: int) -> str:
        """Return what was trained in an epoch, as results.csv names it."""
        if epoch <= supervised_epochs(self.settings):
            return "classifier"
        name = self.settings.method.name
        return name if name in (*TRAINED, *LEARN_BY_THEMSELVES) else "protonet"

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
            side = training_side_from(checkpoint.training_side, "last.pt")
            self.normalisation = side.normalisation("cl2n")
        if checkpoint.epoch:
            loop = self._loop(checkpoint.epoch <= supervised_epochs(self.settings))
            load_optimiser(loop.optimiser, checkpoint.optimiser)

    def _loop(self, supervised: bool) -> Loop:
        if supervised not in self._loops:
            settings, bf16 = self.settings, self.settings.precision == "bf16"
            how = (settings.train, settings.seed, self.dtype, bf16)
            self._loops[supervised] = (
                SupervisedTraining(self.network, self.training.role, *how)
                if supervised
                else EpisodicTraining(self.network, *how)
            )
        return self._loops[supervised]
