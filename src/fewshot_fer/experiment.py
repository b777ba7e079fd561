"""A training run: epochs of episodes, validation after each, checkpoints and tables on the way."""

import time
from dataclasses import dataclass

import torch
from torch import nn

from fewshot_fer.checkpoints import Checkpoint, save_checkpoint
from fewshot_fer.config import TrainVerb
from fewshot_fer.device import DTYPES
from fewshot_fer.evaluation import Embedder, evaluate
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores, mean_interval
from fewshot_fer.models import METHODS, build_encoder
from fewshot_fer.roles import Role
from fewshot_fer.runs import Row, RunFolder
from fewshot_fer.screen import epoch_line
from fewshot_fer.training import EpisodicTraining, learning_rate


@dataclass(frozen=True)
class Part:
    """A role and its images."""

    role: Role
    images: FaceImages


@dataclass(frozen=True)
class Best:
    """The best validation so far: the higher accuracy or, at the same one, the lower loss."""

    epoch: int
    accuracy: float
    loss: float
    result: Row


class TrainingRun:
    """Trains an encoder on one part, validates it on another, and writes the run's folder."""

    def __init__(
        self,
        settings: TrainVerb,
        folder: RunFolder,
        training: Part,
        validation: Part,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.training = training
        self.validation = validation
        self.dtype = DTYPES[settings.precision]
        self.method = METHODS[settings.method.name]
        encoder = build_encoder(settings.backbone).to(device, self.dtype)
        self.encoder: nn.Module = encoder.to(memory_format=torch.channels_last)
        self.loop = EpisodicTraining(
            self.encoder, self.method, settings.train, settings.seed, self.dtype
        )
        self.best: Best | None = None

    def fit(self) -> None:
        """Run all epochs, or stop `train.patience` epochs after the best one."""
        for epoch in range(1, self.settings.train.epochs + 1):
            trained = self._run_epoch(epoch)
            if self._out_of_patience(epoch):
                print(f"stopped: no better validation for {self.settings.train.patience} epochs")
                break
        assert self.best is not None
        self.folder.add_result(self.training.role.result(trained, epoch))
        self.folder.add_result(self.best.result)

    def _run_epoch(self, epoch: int) -> EpisodeScores:
        started = time.perf_counter()
        episodes = self.training.role.draw(self.settings.seed, epoch)
        trained = self.loop.run_epoch(self.training.images, episodes, epoch)
        validated = self._validate(epoch)
        is_best = self._keep_best(epoch, validated)
        for name in ("last.pt", "best.pt") if is_best else ("last.pt",):
            save_checkpoint(self.folder.folder / name, self._checkpoint(epoch, validated))
        row = self._metrics(epoch, trained, validated, time.perf_counter() - started)
        self.folder.add_metrics(row)
        print(epoch_line(row, self.settings.train.epochs, is_best), flush=True)
        return trained

    def _validate(self, epoch: int) -> EpisodeScores:
        drawn_for = epoch if self.settings.train.fresh_validation else 0
        episodes = self.validation.role.draw(self.settings.seed, drawn_for)
        embedder = Embedder(self.encoder, self.dtype)
        return evaluate(embedder, self.method, self.validation.images, episodes)

    def _keep_best(self, epoch: int, scores: EpisodeScores) -> bool:
        accuracy, loss = float(scores.accuracy.mean()), float(scores.loss.mean())
        if self.best is not None and (accuracy, -loss) <= (self.best.accuracy, -self.best.loss):
            return False
        self.best = Best(epoch, accuracy, loss, self.validation.role.result(scores, epoch))
        return True

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self.settings.train.patience
        return bool(patience and self.best and epoch - self.best.epoch >= patience)

    def _checkpoint(self, epoch: int, scores: EpisodeScores) -> Checkpoint:
        return Checkpoint(
            encoder=self.encoder.state_dict(),
            epoch=epoch,
            val_accuracy=float(scores.accuracy.mean()),
            class_names=list(self.training.role.pool.class_names),
            image_size=self.settings.backbone.image_size,
            optimiser=self.loop.optimiser.state_dict(),
        )

    def _metrics(
        self, epoch: int, trained: EpisodeScores, validated: EpisodeScores, seconds: float
    ) -> Row:
        accuracy, low, high = mean_interval(validated.accuracy)
        return {
            "epoch": epoch,
            "lr": learning_rate(self.settings.train, epoch),
            "train_loss": float(trained.loss.mean()),
            "train_accuracy": float(trained.accuracy.mean()),
            "val_loss": float(validated.loss.mean()),
            "val_accuracy": accuracy,
            "val_ci95": (high - low) / 2,
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
    """Score every test with one state of the weights, and add a row for each as it is done."""
    for test in tests:
        scores = evaluate(embedder, METHODS[method_name], test.images, test.role.draw(seed))
        folder.add_result(test.role.result(scores, epoch))


def load_parts(roles: list[Role], image_size: int, device: torch.device) -> list[Part]:
    """Decode or open the images of every role."""
    return [Part(role, role.load_images(image_size, device)) for role in roles]
