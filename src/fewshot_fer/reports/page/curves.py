"""Learning curves as inline SVG."""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from fewshot_fer.reports.page.collect import Run
from fewshot_fer.reports.page.comparable import Group
from fewshot_fer.reports.page.run_files import draws_episodes
from fewshot_fer.reports.page.svg import PERCENT_TICKS, Floats, Frame, drawing, whole_ticks

MOST_LINES = 40  # in one picture; the best stand in front
COLOURED = 6


def run_curves(run: Run) -> Markup:
    """Return accuracy and loss over the epochs of a run, nothing without a single epoch."""
    epochs = run.metrics.get("epoch", np.zeros(0))
    if not len(epochs):
        return Markup("")
    return accuracy_chart(run, epochs) + loss_chart(run, epochs)


def accuracy_chart(run: Run, epochs: Floats) -> Markup:
    frame = Frame((float(epochs.min()), float(epochs.max())), (0.0, 1.0))
    trained, validated = run.metrics["train_accuracy"], run.metrics["val_accuracy"]
    half = run.metrics["val_ci95"]
    parts = [frame.axes(whole_ticks(*frame.x), PERCENT_TICKS)]
    for role, kind in (("train", "one"), ("validation", "two")):
        chance = _chance(run, role)
        if chance is not None:
            name = f"chance, {role}: {100 * chance:.1f} %"
            parts.append(frame.level(chance, f"chance {kind}", name))
    low, high = np.clip(validated - half, 0, 1), np.clip(validated + half, 0, 1)
    parts.append(frame.band(epochs, low, high, "two"))
    parts.append(frame.path(epochs, trained, "one", "training"))
    parts.append(frame.path(epochs, validated, "two", "validation, with its 95 % interval"))
    return drawing(frame.width, frame.height, f"accuracy over the epochs of {run.name}", parts)


def loss_chart(run: Run, epochs: Floats) -> Markup:
    """Return both losses on a logarithmic scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = [np.log10(run.metrics[key]) for key in ("train_loss", "val_loss")]
    there = np.concatenate([loss[np.isfinite(loss)] for loss in losses])
    if not len(there):
        return Markup("")
    low, high = float(there.min()), float(there.max())
    low, high = (low, high) if high - low > 0.2 else (low - 0.1, high + 0.1)
    frame = Frame((float(epochs.min()), float(epochs.max())), (low, high))
    ticks = [(tick, f"{10**tick:.3g}") for tick in np.linspace(low, high, 4)]
    parts = [frame.axes(whole_ticks(*frame.x), ticks)]
    parts.append(frame.path(epochs, losses[0], "one", "training"))
    parts.append(frame.path(epochs, losses[1], "two", "validation"))
    return drawing(frame.width, frame.height, f"loss over the epochs of {run.name}", parts)


def _chance(run: Run, role: str) -> float | None:
    """Return what guessing gives, from the results or, for an unfinished run, the settings."""
    row = run.best(role)
    if row is not None:
        return float(row["chance"])
    if role == "train" and not draws_episodes(run.settings):
        return None  # of so many classes as the data set has
    way = run.settings.get("train.n_way" if role == "train" else "eval.n_way")
    return 1 / way if isinstance(way, int) and way > 1 else None


def group_curves(group: Group) -> Markup:
    """Return the validation accuracy over the epochs of all runs of a group, the best coloured."""
    runs = [result.run for result in group.results if len(result.run.metrics.get("epoch", ()))]
    return overlay(unique(runs)[:MOST_LINES], float(group.row["chance"]))


def unique(runs: Sequence[Run]) -> list[Run]:
    """Return runs without repetition; one has several results in a group if it tests twice."""
    return list({run.number: run for run in runs}.values())


def overlay(runs: Sequence[Run], chance: float) -> Markup:
    """Return one line a run over a common axis, nothing where no run has two epochs."""
    epochs = [run.metrics["epoch"] for run in runs]
    if not epochs or max(map(len, epochs)) < 2:
        return Markup("")
    low, high = min(map(np.min, epochs)), max(map(np.max, epochs))
    frame = Frame((float(low), float(high)), (0.0, _top(runs)), 460, 230)
    ticks = [tick for tick in PERCENT_TICKS if tick[0] <= frame.y[1]]
    parts = [frame.axes(whole_ticks(*frame.x, 8), ticks)]
    parts.append(frame.level(chance, "chance", f"chance {100 * chance:.1f} %"))
    for place, run in reversed(list(enumerate(runs))):
        kind = f"c{place}" if place < COLOURED else "faint"
        title = f"{run.number} {run.name}"
        parts.append(frame.path(run.metrics["epoch"], run.metrics["val_accuracy"], kind, title))
    return drawing(frame.width, frame.height, "validation accuracy over the epochs", parts)


def _top(runs: Sequence[Run]) -> float:
    """Return the end of the accuracy axis: a quarter above the best, or 100 %."""
    best = max(np.nanmax(run.metrics["val_accuracy"], initial=0.0) for run in runs)
    return min(1.0, math.ceil(4 * float(best) + 1e-9) / 4 or 0.25)
