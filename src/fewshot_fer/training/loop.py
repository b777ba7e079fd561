"""A training run: epochs, validation after each, checkpoints and tables on the way.

Training that has left the numbers: said at once, before its weights are kept.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fewshot_fer.config.schema import TrainVerb, supervised_epochs
from fewshot_fer.evaluation.calibration import run_calibration
from fewshot_fer.evaluation.embedder import FewShotModel, embedding_digest
from fewshot_fer.evaluation.metrics import EpisodeScores
from fewshot_fer.evaluation.results import EvaluationResult, episodic_row
from fewshot_fer.evaluation.support import run_support
from fewshot_fer.evaluation.tasks import EpisodicTask, Task
from fewshot_fer.evaluation.training_statistics import gather_statistics
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.load import load_model
from fewshot_fer.runs.resume import Progress, resume_command
from fewshot_fer.runs.tables import add_evaluation
from fewshot_fer.system.device import is_out_of_memory
from fewshot_fer.system.errors import Interrupted, TrainingError
from fewshot_fer.system.files import Row, plain_row
from fewshot_fer.system.signals import caught_signals
from fewshot_fer.system.text import epoch_line
from fewshot_fer.training.optim import learning_rate
from fewshot_fer.training.trainer import Snapshot, Trainer, take_snapshot


def require_finite(losses: NDArray[np.float64], epoch: int, lr: float, what: str) -> None:
    """Raise TrainingError if one of an epoch's losses, in order, is infinite or no number.

    what: what each of them is of, `episode` or `batch`.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        raise TrainingError(
            f"the loss is {losses[bad[0]]} in epoch {epoch}, {what} {bad[0] + 1} of {len(losses)}, "
            f"at learning rate {lr:.2g}: try a lower one, train.lr={lr / 10:.0e}, or "
            f"precision=float32 where it is bf16. {kept_before(epoch)}"
        )


def require_finite_validation(loss: float, epoch: int, lr: float) -> None:
    """Raise TrainingError where weights after an epoch answer validation with no number."""
    if not np.isfinite(loss):
        raise TrainingError(
            f"the validation loss is {loss} after epoch {epoch}, at learning rate {lr:.2g}: try a "
            f"lower one, train.lr={lr / 10:.0e}. {kept_before(epoch)}"
        )


def kept_before(epoch: int) -> str:
    """Say what is left on disk of a run that ends within an epoch."""
    if epoch <= 1:
        return "No checkpoint was kept, as it was the first epoch"
    return f"last.pt holds the weights after epoch {epoch - 1}"


@dataclass(frozen=True)
class Best:
    """The best validation so far: the higher accuracy or, at the same one, the lower loss."""

    epoch: int
    accuracy: float
    loss: float
    evaluated: EvaluationResult | None = None  # None in a run that was resumed: to be asked again


class TrainingRun:
    """Trains an encoder on one task, validates it on another, and writes the run's folder.

    The encoder is where it is to be trained, in the precision of the settings.
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
        self.training = training
        self.validation = validation
        self.learning = Trainer(settings, training, encoder)
        self.best: Best | None = None
        self.metrics: list[Row] = []
        self.trained: Row = {}  # of results.csv, for the last training epoch

    def restore(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Go back to the end of an epoch: weights, optimiser, and what was known by then."""
        self.learning.restore(checkpoint)
        self.metrics, self.trained = list(progress.metrics), progress.trained
        self.best = Best(progress.best_epoch, progress.best_accuracy, progress.best_loss)

    def fit(self, choices: dict[str, str]) -> None:
        """Run the epochs that are left, or stop `train.patience` epochs after the best one.

        choices: the files of conf/ that were taken, for those who go on with this run. Raises
        Interrupted, with the line to type, where a signal asked for an end.
        """
        epoch = len(self.metrics)
        with caught_signals() as stop:
            self.learning.between_steps = stop.check
            try:
                if self.settings.train.epochs == 0:
                    self._take_as_it_is(choices)
                while epoch < self.settings.train.epochs and not self._out_of_patience(epoch):
                    epoch += 1
                    self._run_epoch(epoch, choices)
                stop.check()  # asked for within the last validation
            except Interrupted as asked:
                raise Interrupted(asked.number, self._how_to_go_on(epoch)) from asked
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise TrainingError(self._too_large(epoch)) from error
        if self._out_of_patience(epoch):
            print(f"stopped: no better validation for {self.settings.train.patience} epochs")
        if self.trained:
            self.folder.add_result(self.trained)
        add_evaluation(self.folder, self._best_evaluated())

    def _how_to_go_on(self, epoch: int) -> str:
        done = len(self.metrics)
        where = f"stopped in epoch {epoch}, which will be begun again from last.pt"
        if epoch <= done:
            where = f"stopped after epoch {epoch}, which last.pt holds"
        elif not done:
            where = "stopped in the first epoch, so the run will start anew from its config.yaml"
        return f"{where}. Go on with: {resume_command(self.folder.folder)}"

    def _too_large(self, epoch: int) -> str:
        names = "train.episodes_per_step, train.n_way, train.n_query or backbone.image_size"
        if epoch <= supervised_epochs(self.settings):
            names = "train.batch_size or backbone.image_size"
        return f"too little memory for a step of training: lower {names}. {kept_before(epoch)}"

    def _best_evaluated(self) -> EvaluationResult:
        """Return the best validation; a resumed run asks the weights of that epoch once more."""
        assert self.best is not None
        if self.best.evaluated is not None:
            return self.best.evaluated
        device = self.learning.device
        checkpoint = load_checkpoint(self.folder.folder / "best.pt", device)
        return self._evaluate(load_model(self.settings, checkpoint, device))

    def add_supports(self) -> None:
        """Give both checkpoints what it takes to put them to use without any data set."""
        known: dict[int, Checkpoint] = {}
        for name in ("best.pt", "last.pt"):
            path = self.folder.folder / name
            checkpoint = load_checkpoint(path, self.learning.device)
            if checkpoint.epoch not in known:
                known[checkpoint.epoch] = self._with_support(checkpoint)
            save_checkpoint(path, known[checkpoint.epoch])

    def _with_support(self, checkpoint: Checkpoint) -> Checkpoint:
        model = load_model(self.settings, checkpoint, self.learning.device)
        seed = self.settings.seed
        digest = embedding_digest(checkpoint.encoder, model.embedder)
        if checkpoint.training_side is None:
            side = gather_statistics(model.embedder, self.training, seed)
            checkpoint = replace(checkpoint, training_side=side.content())
        support = run_support(self.training, self.validation, model, digest, seed)
        found = run_calibration(self.validation, model, seed)
        return replace(checkpoint, support=support.content(), calibration=found.content())

    def _take_as_it_is(self, choices: dict[str, str]) -> None:
        """Validate and keep an encoder that learns nothing, as epoch 0."""
        ready = take_snapshot(self.settings, self.learning, self.training, self.validation, 0)
        validated = self._evaluate(ready.model)
        self._keep_best(0, validated)
        for name in ("best.pt", "last.pt"):
            kept = self._checkpoint(0, ready, validated, choices)
            save_checkpoint(self.folder.folder / name, kept)
        print(f"nothing is trained: validation {validated.accuracy:.1%}", flush=True)

    def _run_epoch(self, epoch: int, choices: dict[str, str]) -> None:
        started = time.perf_counter()
        trained, protocol = self.learning.run_epoch(epoch)
        lr = learning_rate(self.settings.train, epoch)
        supervised = epoch <= supervised_epochs(self.settings)
        require_finite(trained.loss, epoch, lr, "batch" if supervised else "episode")
        ready = take_snapshot(self.settings, self.learning, self.training, self.validation, epoch)
        validated = self._evaluate(ready.model)
        require_finite_validation(validated.loss, epoch, lr)
        is_best = self._keep_best(epoch, validated)
        row = plain_row(self._metrics(epoch, trained, validated, time.perf_counter() - started))
        self.metrics.append(row)
        own = {"method": self.learning.method_name(epoch)}
        self.trained = plain_row(episodic_row(protocol, trained, epoch) | own)
        # The best first: a run that dies in between does this epoch again, and finds it best again.
        for name in ("best.pt", "last.pt") if is_best else ("last.pt",):
            kept = self._checkpoint(epoch, ready, validated, choices)
            save_checkpoint(self.folder.folder / name, kept)
        self.folder.add_metrics(row)
        print(epoch_line(row, self.settings.train.epochs, is_best), flush=True)

    def _evaluate(self, model: FewShotModel) -> EvaluationResult:
        epoch = model.epoch if self.settings.train.fresh_validation else 0
        return self.validation.evaluate(model, self.settings.seed, epoch)

    def _keep_best(self, epoch: int, new: EvaluationResult) -> bool:
        old = self.best
        if old is not None and (new.accuracy, -new.loss) <= (old.accuracy, -old.loss):
            return False
        self.best = Best(epoch, float(new.accuracy), float(new.loss), new)
        return True

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self.settings.train.patience
        return bool(patience and self.best and epoch - self.best.epoch >= patience)

    def _checkpoint(
        self, epoch: int, ready: Snapshot, validated: EvaluationResult, choices: dict[str, str]
    ) -> Checkpoint:
        assert self.best is not None
        best = (self.best.epoch, self.best.accuracy, self.best.loss)
        network = ready.network.state()
        return Checkpoint(
            encoder=network["encoder"],
            epoch=epoch,
            val_accuracy=float(validated.accuracy),
            class_names=list(self.training.protocol.pool.class_names),
            image_size=self.settings.backbone.side,
            optimiser=self.learning.optimiser_state(epoch),
            head=network.get("head"),
            method=network.get("method"),
            training_side=None if ready.side is None else ready.side.content(),
            prior_weight=ready.prior_weight,
            raw=self.learning.raw_state(),
            progress=Progress(self.metrics, self.trained, *best, choices).content(),
        )

    def _metrics(
        self, epoch: int, trained: EpisodeScores, validated: EvaluationResult, seconds: float
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
