"""Text on screen: aligned tables, fractions in percent, and the lines that a run prints."""

from collections.abc import Collection, Sequence
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


def text_table(rows: Sequence[Sequence[str]], left: int | Collection[int]) -> str:
    """Return rows of cells as lines of aligned columns, two spaces apart.

    left: how many columns, from the first, or which of them are flush left; others are flush right.
    """
    flush_left = range(left) if isinstance(left, int) else left
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in flush_left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def percent(fraction: float) -> str:
    """Return a fraction in percent with one decimal: 0.415 as 41.5 %."""
    return f"{100 * fraction:.1f} %"


def interval(low: float, high: float) -> str:
    """Return two fractions in percent: 38.9..44.1."""
    return f"{100 * low:.1f}..{100 * high:.1f}"


def epoch_line(row: dict[str, Any], n_epochs: int, best: bool) -> str:
    """Return the line that is printed after an epoch, from its row of metrics.csv."""
    return (
        f"epoch {row['epoch']:>{len(str(n_epochs))}}/{n_epochs}"
        f"  train {100 * row['train_accuracy']:5.1f} % loss {row['train_loss']:.3f}"
        f"  validation {100 * row['val_accuracy']:5.1f} ± {100 * row['val_ci95']:.1f} %"
        f" loss {row['val_loss']:.3f}  {row['seconds']:.0f} s{'  best' if best else ''}"
    )


def results_table(results: Sequence[dict[str, Any]]) -> str:
    """Return rows of results.csv as an aligned table under HEADINGS, fractions in percent."""
    return text_table([HEADINGS, *(_cells(row) for row in results)], left=4)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    shape = f"{row['episodes']} x {row['n_way']}-way {row['k_shot']}-shot"
    if row.get("deviation") is not None:  # a fixed support
        shape += f", {row['n_query']} {LEVELS[row['level']]}"
    return (
        row["role"],
        row["dataset"],
        row["method"],
        shape,
        percent(row["accuracy"]),
        interval(row["ci95_low"], row["ci95_high"]),
        interval(row["group_ci95_low"], row["group_ci95_high"]),
        percent(row["uar"]),
        percent(row["chance"]),
        percent(row["majority"]),
        f"{row['loss']:.3f}",
        str(row["epoch"]),
    )
