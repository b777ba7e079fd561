"""Training that has left the numbers: said at once, before its weights are kept."""

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.errors import TrainingError


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
