"""What a run says on screen."""

from collections.abc import Sequence
from typing import Any

HEADINGS = (
    "role",
    "data set",
    "method",
    "episodes",
    "accuracy",
    "95 % episodes",
    "95 % groups",
    "UAR",
    "chance",
    "majority",
    "loss",
    "epoch",
)
LEVELS = {
    "image": "images",
    "frame": "frames",
    "clip": "clips",
    "clip_complete": "clips, lost ones too",
}


def epoch_line(row: dict[str, Any], n_epochs: int, best: bool) -> str:
    """Return the one line of an epoch, from its row of metrics.csv."""
    return (
        f"epoch {row['epoch']:>{len(str(n_epochs))}}/{n_epochs}"
        f"  train {100 * row['train_accuracy']:5.1f} % loss {row['train_loss']:.3f}"
        f"  validation {100 * row['val_accuracy']:5.1f} ± {100 * row['val_ci95']:.1f} %"
        f" loss {row['val_loss']:.3f}  {row['seconds']:.0f} s{'  best' if best else ''}"
    )


def results_table(results: Sequence[dict[str, Any]]) -> str:
    """Return rows of results.csv as a table for people: percent, interval, chance."""
    lines = [HEADINGS, *(_cells(row) for row in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 4 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    shape = f"{row['episodes']} x {row['n_way']}-way {row['k_shot']}-shot"
    if row.get("deviation") is not None:  # a fixed support
        shape += f", {row['n_query']} {LEVELS[row['level']]}"
    return (
        row["role"],
        row["dataset"],
        row["method"],
        shape,
        _percent(row["accuracy"]),
        _interval(row["ci95_low"], row["ci95_high"]),
        _interval(row["group_ci95_low"], row["group_ci95_high"]),
        _percent(row["uar"]),
        _percent(row["chance"]),
        _percent(row["majority"]),
        f"{row['loss']:.3f}",
        str(row["epoch"]),
    )


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.1f}..{100 * high:.1f}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"
