"""Take a snapshot of the weights after an epoch, and make checkpoints of it."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from fewshot_fer.config.model_schema import LEARNT, VALIDATION
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.calibration import run_calibration
from fewshot_fer.evaluation.choose_method import choose_method, choose_prior_weight, reweighted
from fewshot_fer.evaluation.embedder import FewShotModel, embedding_digest
from fewshot_fer.evaluation.support import run_support
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import (
    TrainingStatistics,
    gather_statistics,
    statistics_from,
)
from fewshot_fer.evaluation.views import Views
from fewshot_fer.models.methods.registry import FEATURES, find_method
from fewshot_fer.models.network import Network
from fewshot_fer.models.preprocessing import Normalisation
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.runs.load import load_model
from fewshot_fer.runs.resume import Progress
from fewshot_fer.training.learnt_composition import with_pair_maps
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
        raw=None if trainer.averaged is None else trainer.averaged.state(),
        start=None if trainer.pull is None else trainer.pull.start,
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
