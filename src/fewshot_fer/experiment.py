"""A training run: epochs of episodes, validation after each, checkpoints and tables on the way."""

import time
from dataclasses import dataclass, replace

import torch
from torch import nn

from fewshot_fer.answers import add_answers
from fewshot_fer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.config import TrainVerb
from fewshot_fer.confusion import write_confusion
from fewshot_fer.device import DTYPES
from fewshot_fer.embedding import Embedder
from fewshot_fer.evaluated import Evaluated
from fewshot_fer.metrics import EpisodeScores
from fewshot_fer.models import METHODS
from fewshot_fer.own_support import own_calibration, own_support
from fewshot_fer.parts import EpisodicPart, Part
from fewshot_fer.predictions import add_predictions
from fewshot_fer.runs import Row, RunFolder
from fewshot_fer.screen import epoch_line
from fewshot_fer.supervised import SupervisedTraining
from fewshot_fer.support_set import state_digest
from fewshot_fer.trained import build_embedder
from fewshot_fer.training import EpisodicTraining, learning_rate


@dataclass(frozen=True)
class Best:
    """The best validation so far: the higher accuracy or, at the same one, the lower loss."""

    epoch: int
    evaluated: Evaluated


class TrainingRun:
    """Trains an encoder on one part, validates it on another, and writes the run's folder.

    The encoder is where it is to be trained, in the precision of the settings.
    """

    def __init__(
        self,
        settings: TrainVerb,
        folder: RunFolder,
        training: EpisodicPart,
        validation: Part,
        encoder: nn.Module,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.training = training
        self.validation = validation
        self.dtype = DTYPES[settings.precision]
        self.method = METHODS[settings.method.name]
        self.encoder: nn.Module = encoder.to(memory_format=torch.channels_last)
        self.loop = self._loop(settings)
        self.best: Best | None = None

    def _loop(self, settings: TrainVerb) -> EpisodicTraining | SupervisedTraining:
        bf16 = settings.precision == "bf16"
        if settings.method.name == "classifier":
            size, role = settings.backbone.image_size, self.training.role
            return SupervisedTraining(
                self.encoder, role, settings.train, size, settings.seed, self.dtype, bf16
            )
        return EpisodicTraining(
            self.encoder, self.method, settings.train, settings.seed, self.dtype, bf16
        )

    def fit(self) -> None:
        """Run all epochs, or stop `train.patience` epochs after the best one."""
        for epoch in range(1, self.settings.train.epochs + 1):
            trained = self._run_epoch(epoch)
            if self._out_of_patience(epoch):
                print(f"stopped: no better validation for {self.settings.train.patience} epochs")
                break
        assert self.best is not None
        row = self.training.role.result(trained, epoch) | {"method": self.settings.method.name}
        self.folder.add_result(row)
        add_evaluated(self.folder, self.best.evaluated)

    def add_supports(self, device: torch.device) -> None:
        """Give both checkpoints what it takes to put them to use without any data set."""
        known: dict[int, Checkpoint] = {}
        for name in ("best.pt", "last.pt"):
            path = self.folder.folder / name
            checkpoint = load_checkpoint(path, device)
            if checkpoint.epoch not in known:
                known[checkpoint.epoch] = self._with_support(checkpoint, device)
            save_checkpoint(path, known[checkpoint.epoch])

    def _with_support(self, checkpoint: Checkpoint, device: torch.device) -> Checkpoint:
        embedder = build_embedder(self.settings, checkpoint, device)
        weights, seed = state_digest(checkpoint.encoder), self.settings.seed
        support = own_support(self.training, self.validation, embedder, weights, seed)
        found = own_calibration(self.validation, embedder, self.method, seed)
        return replace(checkpoint, support=support.content(), calibration=found.content())

    def _run_epoch(self, epoch: int) -> EpisodeScores:
        started = time.perf_counter()
        trained = self.loop.run_epoch(self.training.images, self.training.role, epoch)
        validated = self._validate(epoch)
        is_best = self._keep_best(epoch, validated)
        for name in ("last.pt", "best.pt") if is_best else ("last.pt",):
            save_checkpoint(self.folder.folder / name, self._checkpoint(epoch, validated))
        row = self._metrics(epoch, trained, validated, time.perf_counter() - started)
        self.folder.add_metrics(row)
        print(epoch_line(row, self.settings.train.epochs, is_best), flush=True)
        return trained

    def _validate(self, epoch: int) -> Evaluated:
        drawn_for = epoch if self.settings.train.fresh_validation else 0
        names = self.training.role.pool.class_names
        embedder = Embedder(self.encoder, self.dtype, self.loop.head, names)
        return self.validation.evaluate(embedder, self.method, self.settings.seed, drawn_for, epoch)

    def _keep_best(self, epoch: int, new: Evaluated) -> bool:
        if self.best is not None:
            old = self.best.evaluated
            if (new.accuracy, -new.loss) <= (old.accuracy, -old.loss):
                return False
        self.best = Best(epoch, new)
        return True

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self.settings.train.patience
        return bool(patience and self.best and epoch - self.best.epoch >= patience)

    def _checkpoint(self, epoch: int, validated: Evaluated) -> Checkpoint:
        return Checkpoint(
            encoder=self.encoder.state_dict(),
            epoch=epoch,
            val_accuracy=validated.accuracy,
            class_names=list(self.training.role.pool.class_names),
            image_size=self.settings.backbone.image_size,
            optimiser=self.loop.optimiser.state_dict(),
            head=None if self.loop.head is None else self.loop.head.state_dict(),
        )

    def _metrics(
        self, epoch: int, trained: EpisodeScores, validated: Evaluated, seconds: float
    ) -> Row:
        return {
            "epoch": epoch,
            "lr": learning_rate(self.settings.train, epoch),
            "train_loss": float(trained.loss.mean()),
            "train_accuracy": float(trained.accuracy.mean()),
            "val_loss": validated.loss,
            "val_accuracy": validated.accuracy,
            "val_ci95": validated.half,
            "seconds": round(seconds, 2),
        }


def run_tests(
    folder: RunFolder,
    embedder: Embedder,
    method_name: str,
    tests: list[Part],
    seed: int,
    epoch: int,
) -> None:
    """Score every test with one state of the weights; each reaches the disk as it is done."""
    for test in tests:
        add_evaluated(folder, test.evaluate(embedder, METHODS[method_name], seed, 0, epoch))


def add_evaluated(folder: RunFolder, evaluated: Evaluated) -> None:
    """Write what an evaluation gave: its rows, its confusion matrix, its predictions."""
    for row in evaluated.rows:
        folder.add_result(row)
    headline = evaluated.rows[0]
    write_confusion(
        folder.folder,
        headline["role"],
        headline["protocol"],
        evaluated.class_names,
        evaluated.confusion,
    )
    add_answers(folder.folder, evaluated.answers)
    if evaluated.predictions is not None:
        add_predictions(folder.folder, evaluated.predictions)
