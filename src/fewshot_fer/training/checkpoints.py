"""Checkpoints of a run in training: the weights after an epoch, and what is added at the end."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fewshot_fer.config.method_rules import VALIDATION
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.calibration import run_calibration
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel, embedding_digest
from fewshot_fer.evaluation.methods import choose_method, choose_prior_weight, reweighted
from fewshot_fer.evaluation.support import run_support
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import TrainingStatistics, gather_statistics
from fewshot_fer.models.network import Network
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.runs.load import load_model
from fewshot_fer.runs.resume import Progress
from fewshot_fer.training.trainer import Trainer


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
    names = trainer.training.protocol.pool.class_names
    head = network.head if settings.method.name == "classifier" else None
    embedder = Embedder(network.encoder, trainer.precision.dtype, head, names)
    kind, statistics = settings.method.normalise, None
    if kind == "cl2n" or settings.method.name == "composed":
        statistics = gather_statistics(embedder, trainer.training, settings.seed)
    trainer.normalisation = statistics.normalisation(kind) if statistics else Normalisation(kind)
    embedder = embedder.normalised(trainer.normalisation)
    method, weight = choose_method(settings.method, network.logits, statistics), None
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
        training_side=None if statistics is None else statistics.content(),
        prior_weight=snapshot.prior_weight,
        raw=trainer.raw_state(),
        progress=progress.content(),
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
            if checkpoint.training_side is None:
                statistics = gather_statistics(model.embedder, training, seed)
                checkpoint = replace(checkpoint, training_side=statistics.content())
            digest = embedding_digest(checkpoint.encoder, model.embedder)
            support = run_support(training, validation, model, digest, seed)
            calibration = run_calibration(validation, model, seed)
            completed[checkpoint.epoch] = replace(
                checkpoint, support=support.content(), calibration=calibration.content()
            )
        save_checkpoint(folder / name, completed[checkpoint.epoch])
