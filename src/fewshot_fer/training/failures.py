"""Failures of training: losses that are no number, and too little memory for a step."""

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.system.errors import TrainingError


def require_finite(losses: NDArray[np.float64], epoch: int, lr: float, unit: str) -> None:
    """Raise TrainingError if one of an epoch's losses, in order, is infinite or no number.

    unit: what each of them is the loss of, `episode` or `batch`.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        raise TrainingError(
            f"the loss is {losses[bad[0]]} in epoch {epoch}, {unit} {bad[0] + 1} of {len(losses)}, "
            f"at learning rate {lr:.2g}: try a lower one, train.lr={lr / 10:.0e}, or "
            f"precision=float32 where it is bf16. {_kept_before(epoch)}"
        )


def require_finite_validation(loss: float, epoch: int, lr: float) -> None:
    """Raise TrainingError if the validation loss after an epoch is infinite or no number."""
    if not np.isfinite(loss):
        raise TrainingError(
            f"the validation loss is {loss} after epoch {epoch}, at learning rate {lr:.2g}: try a "
            f"lower one, train.lr={lr / 10:.0e}. {_kept_before(epoch)}"
        )


def out_of_memory(epoch: int, supervised: bool) -> str:
    """Return the message for a step of an epoch that memory is too small for."""
    names = "train.episodes_per_step, train.n_way, train.n_query or backbone.image_size"
    if supervised:
        names = "train.batch_size or backbone.image_size"
    return f"too little memory for a step of training: lower {names}. {_kept_before(epoch)}"


def _kept_before(epoch: int) -> str:
    """Return a sentence on what is left on disk of a run that ends within an epoch."""
    if epoch <= 1:
        return "No checkpoint was kept, as it was the first epoch"
    return f"last.pt holds the weights after epoch {epoch - 1}"
