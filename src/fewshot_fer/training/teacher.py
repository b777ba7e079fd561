"""Distillation: a classifier learns the logits of another run's beside the labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.models.network import Network
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.config_file import read_run_settings, with_kept_encoder
from fewshot_fer.runs.load import load_network
from fewshot_fer.system.errors import ConfigError


@dataclass(frozen=True)
class Teacher:
    """A trained network with a classifier, whose logits on a batch are learnt.

    With a teacher of the same network and images this is a born-again network (Furlanello et al.,
    ICML 2018), as Tian et al. (ECCV 2020) train embeddings for few-shot learning.

    side: pixels of the images that it takes; columns [C]: where the student's classes stand in its
    logits; share: of its loss; temperature: that both logits are divided by.
    """

    network: Network
    side: int
    columns: Tensor
    share: float
    temperature: float

    @torch.no_grad()
    def logits(self, batch: Tensor) -> Tensor:
        """Return logits [B, C] of images [B, 3, H, W], normalised and augmented as the student sees
        them, brought to its own size."""
        if batch.shape[-1] != self.side:
            size = (self.side, self.side)
            batch = F.interpolate(batch, size, mode="bilinear", antialias=True)
        assert self.network.head is not None
        given: Tensor = self.network.head(self.network.encoder(batch))
        return given[:, self.columns]

    def divergence(self, batch: Tensor, logits: Tensor) -> Tensor:
        """Return the divergence [B] from the teacher's distribution of each image to the student's.

        T² KL(softmax(t / T) || softmax(s / T)): times T², as the gradients of logits that are
        divided by T are so much smaller (Hinton, Vinyals and Dean, arXiv:1503.02531, section 2).
        """
        temperature = self.temperature
        own, given = (
            F.log_softmax(each / temperature, dim=1) for each in (logits, self.logits(batch))
        )
        each = F.kl_div(own, given, reduction="none", log_target=True).sum(dim=1)
        return each * temperature**2


def load_teacher(
    settings: TrainVerb, class_names: Sequence[str], device: torch.device
) -> Teacher | None:
    """Return the teacher that `train.teacher` names, the weights that its tests took; None without.

    class_names: of the student's logits. torch's random state stays as it was. Raises UserError
    where there is no such run, or it has no classifier of these classes.
    """
    train = settings.train
    if train.teacher is None:
        return None
    run = Path(train.teacher).expanduser()
    known = read_run_settings(run)
    file = run / f"{known.train.tested}.pt"
    checkpoint = load_checkpoint(file, device)
    if checkpoint.head is None:
        raise ConfigError(
            f"train.teacher={run} has no classifier, as it trained on episodes alone: take a run "
            f"with supervised epochs, as train=pretrain has"
        )
    if differing := sorted(set(checkpoint.class_names) ^ set(class_names)):
        raise ConfigError(
            f"train.teacher={run} learnt other classes than this run is to: one of the two lacks "
            f"{', '.join(differing)}"
        )
    alike = replace(with_kept_encoder(known, run), precision=settings.precision)
    with torch.random.fork_rng(devices=[]):  # weights start as they do without a teacher
        network = load_network(alike, checkpoint, device, str(file))
    columns = [checkpoint.class_names.index(name) for name in class_names]
    where = torch.tensor(columns, device=device)
    return Teacher(network, checkpoint.image_size, where, train.distil, train.temperature)
