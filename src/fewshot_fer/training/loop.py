"""The training loop: epochs, a validation after each, tables and checkpoints on the way."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.metrics import EpisodeScores
from fewshot_fer.evaluation.results import EvaluationResult, episodic_row
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.runs.evaluation_tables import add_evaluation
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.load import load_model
from fewshot_fer.runs.resume import Progress, resume_command
from fewshot_fer.system.device import is_out_of_memory
from fewshot_fer.system.errors import Interrupted, TrainingError
from fewshot_fer.system.files import Row, plain_row
from fewshot_fer.system.processes import Stop, caught_signals
from fewshot_fer.training.last_epochs import first_averaged
from fewshot_fer.training.optim import learning_rate
from fewshot_fer.training.snapshot import Snapshot, snapshot_checkpoint, take_snapshot
from fewshot_fer.training.trainer import Trainer


@dataclass(frozen=True)
class Best:
    """The best validation so far: the higher accuracy or, at the same one, the lower loss.

    result: None in a resumed run, which knows the figures alone.
    """

    epoch: int
    accuracy: float
    loss: float
    result: EvaluationResult | None = None


class TrainingRun:
    """Trains an encoder on one task, validates it on another, and writes the run's folder.

    The encoder is on the device and in the precision of the settings. epoch: the one under way;
    choices: the files of conf/ that the run was composed of, kept in its checkpoints.
    """

    def __init__(
        self,
        settings: TrainVerb,
        folder: RunFolder,
        training: EpisodicTask,
        validation: Task,
        encoder: nn.Module,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.validation = validation
        self.trainer = Trainer(settings, training, encoder)
        self.epoch = 0
        self.choices: dict[str, str] = {}
        self.best: Best | None = None
        self.metrics: list[Row] = []
        self.trained: Row = {}  # of results.csv, for the last training epoch

    def restore(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Go back to the end of an epoch: weights, optimiser, and what was known by then."""
        self.trainer.restore(checkpoint)
        self.metrics, self.trained = list(progress.metrics), progress.trained
        self.epoch, self.choices = len(self.metrics), progress.choices
        self.best = Best(progress.best_epoch, progress.best_accuracy, progress.best_loss)

    def fit(self) -> None:
        """Run the epochs that are left, or stop `train.patience` epochs after the best one.

        Raises Interrupted, with the line to type, after a signal, and TrainingError where memory is
        too small for a step or a loss is no number.
        """
        try:
            with caught_signals() as stop:
                self._run_epochs(stop)
        except Interrupted as interrupted:
            raise Interrupted(interrupted.number, self._how_to_go_on()) from interrupted
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(self._too_large()) from error
        if self._is_out_of_patience():
            print(f"stopped: no better validation for {self.settings.train.patience} epochs")
        if self.trained:
            self.folder.add_result(self.trained)
        add_evaluation(self.folder, self._best_result())

    def _run_epochs(self, stop: Stop) -> None:
        self.trainer.between_steps = stop.check
        if self.settings.train.epochs == 0:
            self._keep_untrained()
        while self.epoch < self.settings.train.epochs and not self._is_out_of_patience():
            self.epoch += 1
            self._run_epoch()
        stop.check()  # of a signal within the last validation

    def _run_epoch(self) -> None:
        started, epoch = time.perf_counter(), self.epoch
        scores, protocol = self.trainer.run_epoch(epoch)
        lr = learning_rate(self.settings.train, epoch)
        self._require_finite(scores.loss, lr)
        snapshot = take_snapshot(self.trainer, self.validation, epoch)
        validated = self._validate(snapshot.model)
        self._require_finite(validated.loss, lr)
        is_best = self._is_best(validated)
        seconds = time.perf_counter() - started
        self.metrics.append(_metrics_row(epoch, lr, scores, validated, seconds))
        pictures = self.trainer.training.images.pictures
        own = {"method": self.trainer.method_name(epoch), "images_id": pictures}
        self.trained = plain_row(episodic_row(protocol, scores, epoch) | own)
        self._save(snapshot, validated, is_best)
        self.folder.add_metrics(self.metrics[-1])
        print(_epoch_line(self.metrics[-1], self.settings.train.epochs, is_best), flush=True)

    def _keep_untrained(self) -> None:
        """Validate and keep an encoder that is not trained, as epoch 0."""
        snapshot = take_snapshot(self.trainer, self.validation, 0)
        validated = self._validate(snapshot.model)
        self._save(snapshot, validated, is_best=self._is_best(validated))
        print(f"nothing is trained: validation {validated.accuracy:.1%}", flush=True)

    def _validate(self, model: FewShotModel, votes: bool = False) -> EvaluationResult:
        epoch = model.epoch if self.settings.train.fresh_validation else 0
        return self.validation.evaluate(model, self.settings.seed, epoch, votes)

    def _is_best(self, new: EvaluationResult) -> bool:
        """Return whether the validation of this epoch is the best so far, and remember it if so."""
        begins = self.epoch == first_averaged(self.settings.train)
        old = None if begins else self.best  # from then on averages are compared with averages
        if old is not None and (new.accuracy, -new.loss) <= (old.accuracy, -old.loss):
            return False
        self.best = Best(self.epoch, float(new.accuracy), float(new.loss), new)
        return True

    def _save(self, snapshot: Snapshot, validated: EvaluationResult, is_best: bool) -> None:
        assert self.best is not None
        best = (self.best.epoch, self.best.accuracy, self.best.loss)
        progress = Progress(self.metrics, self.trained, *best, self.choices)
        kept = snapshot_checkpoint(self.trainer, snapshot, float(validated.accuracy), progress)
        # The best first: a run that dies in between does this epoch again, and finds it best again.
        for name in ("best.pt", "last.pt") if is_best else ("last.pt",):
            save_checkpoint(self.folder.folder / name, kept)

    def _is_out_of_patience(self) -> bool:
        patience = self.settings.train.patience
        return bool(patience and self.best and self.epoch - self.best.epoch >= patience)

    def _best_result(self) -> EvaluationResult:
        """Return the best validation.

        The weights of best.pt are evaluated again in a resumed run, and where frames vote beside
        the embeddings of clips, which is left out between epochs.
        """
        assert self.best is not None
        frames_vote = isinstance(self.validation, EpisodicTask) and self.validation.frames_vote
        if self.best.result is not None and not frames_vote:
            return self.best.result
        device = self.trainer.device
        checkpoint = load_checkpoint(self.folder.folder / "best.pt", device)
        return self._validate(load_model(self.settings, checkpoint, device), votes=True)

    def _how_to_go_on(self) -> str:
        done = len(self.metrics)
        where = f"stopped in epoch {self.epoch}, which will be begun again from last.pt"
        if self.epoch <= done:
            where = f"stopped after epoch {self.epoch}, which last.pt holds"
        elif not done:
            where = "stopped in the first epoch, so the run will start anew from its config.yaml"
        return f"{where}. Go on with: {resume_command(self.folder.folder)}"

    def _require_finite(self, loss: float | NDArray[np.float64], lr: float) -> None:
        """Raise TrainingError if the validation loss, or one of an epoch's, is no finite number."""
        losses = np.atleast_1d(loss)
        bad = np.flatnonzero(~np.isfinite(losses))
        if not len(bad):
            return
        where = f"the validation loss is {loss} after epoch {self.epoch}"
        if np.ndim(loss):
            unit = "batch" if self.trainer.is_supervised(self.epoch) else "episode"
            number = f"{unit} {bad[0] + 1} of {len(losses)}"
            where = f"the loss is {losses[bad[0]]} in epoch {self.epoch}, {number}"
        or_exact = ", or precision=float32" if self.settings.precision == "bf16" else ""
        raise TrainingError(
            f"{where}, at learning rate {lr:.2g}: try a lower one, train.lr={lr / 10:.0e}{or_exact}"
            f". {self._kept_before()}"
        )

    def _too_large(self) -> str:
        names = "train.episodes_per_step, train.n_way, train.n_query or backbone.image_size"
        if self.trainer.is_supervised(self.epoch):
            names = "train.batch_size, train.crops or backbone.image_size"
        return f"too little memory for a step of training: lower {names}. {self._kept_before()}"

    def _kept_before(self) -> str:
        if self.epoch <= 1:
            return "No checkpoint was kept, as it was the first epoch"
        return f"last.pt holds the weights after epoch {self.epoch - 1}"


def _metrics_row(
    epoch: int, lr: float, scores: EpisodeScores, validated: EvaluationResult, seconds: float
) -> Row:
    """Return the row of metrics.csv of an epoch."""
    return plain_row(
        {
            "epoch": epoch,
            "lr": lr,
            "train_loss": float(scores.loss.mean()),
            "train_accuracy": float(scores.accuracy.mean()),
            "val_loss": validated.loss,
            "val_accuracy": validated.accuracy,
            "val_ci95": validated.half,
            "seconds": round(seconds, 2),
        }
    )


def _epoch_line(row: Row, n_epochs: int, best: bool) -> str:
    """Return the line that is printed after an epoch, from its row of metrics.csv."""
    return (
        f"epoch {row['epoch']:>{len(str(n_epochs))}}/{n_epochs}"
        f"  train {100 * row['train_accuracy']:5.1f} % loss {row['train_loss']:.3f}"
        f"  validation {100 * row['val_accuracy']:5.1f} ± {100 * row['val_ci95']:.1f} %"
        f" loss {row['val_loss']:.3f}  {row['seconds']:.0f} s{'  best' if best else ''}"
    )
