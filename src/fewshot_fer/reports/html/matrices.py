"""Make confusion matrices, tables of recalls, and heat maps of accuracy by way and shot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.evaluation.metrics import recalls
from fewshot_fer.reports.html.collect import Confusion, Run, draws_episodes
from fewshot_fer.reports.html.differences import shown
from fewshot_fer.reports.html.groups import Group, Result, data_of

MOST_ROWS = 30  # of a table of recalls
ASIDE = ("paths.", "test.", "device", "seed", "episodes.save", "run", "resume")
"""Settings that may differ between the runs of one heat map."""
TRAINING_SHAPE, EVALUATION_SHAPE = ("train.n_way", "train.k_shot"), ("eval.n_way", "eval.k_shot")
SAME = ("role", "dataset", "disjoint", "level", "method", "uses", "n_query")
"""Columns of results.csv that must not differ between the results of one heat map."""


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix in percent of the true class.

    given: names of the columns, `no face` last where queries were lost; shares [C, columns];
    queries [C]: how many of each class.
    """

    role: str
    protocol: str
    true: list[str]
    given: list[str]
    shares: list[list[int]]
    queries: list[int]


@dataclass(frozen=True)
class RecallTable:
    """The recall of each class in some runs, hardest class first.

    values [runs][classes]: 0..1 or None; mean [classes]: over all runs.
    """

    class_names: list[str]
    runs: list[Result]
    values: list[list[float | None]]
    mean: list[float | None]


@dataclass(frozen=True)
class Cell:
    """Mean accuracy over `runs` runs, its deviation over them, and chance, all fractions."""

    accuracy: float
    deviation: float | None
    chance: float
    runs: int

    @property
    def above_chance(self) -> float:
        """0 at chance, 1 at 100 %: what colours a cell, since chance differs with the way."""
        return max(0.0, (self.accuracy - self.chance) / (1 - self.chance or 1))


@dataclass(frozen=True)
class HeatMap:
    """Accuracies by way and shot. cells [ways][shots], None where no run has the shape."""

    title: str
    which: str  # whose way and shot: of the episodes in training, or of the evaluation's
    ways: list[int]
    shots: list[int]
    cells: list[list[Cell | None]]


def matrix(confusion: Confusion) -> Matrix:
    """Return a confusion matrix in percent of the true class."""
    counts, names = confusion.counts, confusion.class_names
    queries = counts.sum(axis=1)
    shares = np.rint(100 * counts / np.maximum(queries, 1)[:, None]).astype(int)
    given = names + ["no face"] * (counts.shape[1] - len(names))
    columns = (given, shares.tolist(), queries.tolist())
    return Matrix(confusion.role, confusion.protocol, names, *columns)


def recall_table(group: Group) -> RecallTable | None:
    """Return each class's recall in the runs of a group, hardest class first, best run first.

    Only headlines have a confusion matrix: of several levels or methods, the first of a run.
    """
    found = [(result, _confusion_of(result)) for result in group.results]
    known = [(result, confusion) for result, confusion in found if confusion is not None]
    if not known:
        return None
    by_run = [dict(zip(c.class_names, recalls(c.counts), strict=True)) for _, c in known]
    values = pd.DataFrame(by_run).sort_index(axis=1)
    mean = values.mean().sort_values(kind="stable")
    return RecallTable(
        list(mean.index),
        [result for result, _ in known[:MOST_ROWS]],
        [_or_none(row) for row in values[mean.index].head(MOST_ROWS).to_numpy()],
        _or_none(mean.to_numpy()),
    )


def heat_maps(groups: Sequence[Group]) -> list[HeatMap]:
    """Return a map for each set of results that differ in nothing but a shape and the seed."""
    found: dict[tuple[object, ...], dict[tuple[int, int], list[Result]]] = {}
    for result in (result for group in groups for result in group.results if result.is_valid):
        row = result.row
        if row["role"] == "train" or row["deviation"] is not None:
            continue
        same = (*(row[key] for key in SAME), row["pooling"] or "", *data_of(result))
        name = row["protocol"].rpartition("_")[0] or row["protocol"]  # compound of compound_4w5s
        key = ("episodes", name, *same, _all_else(result.run, EVALUATION_SHAPE))
        found.setdefault(key, {}).setdefault((row["n_way"], row["k_shot"]), []).append(result)
        trained = _training_shape(result.run)
        if trained is not None:
            key = ("training", row["protocol"], *same, _all_else(result.run, TRAINING_SHAPE))
            found.setdefault(key, {}).setdefault(trained, []).append(result)
    return [_heat_map(key, cells) for key, cells in found.items() if len(cells) > 1]


def _confusion_of(result: Result) -> Confusion | None:
    """Return the matrix of a result, None where it has none of its own."""
    own = (result.row["role"], result.row["protocol"])
    same = (row for row in result.run.results if (row["role"], row["protocol"]) == own)
    if next(same) is not result.row:
        return None
    confusions = result.run.confusions
    return next((one for one in confusions if (one.role, one.protocol) == own), None)


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _heat_map(key: tuple[object, ...], cells: dict[tuple[int, int], list[Result]]) -> HeatMap:
    ways, shots = (sorted({shape[place] for shape in cells}) for place in (0, 1))
    which, name, role, dataset, method = key[0], key[1], key[2], key[3], key[6]
    vote = ", frames vote" if key[5] == "clip_vote" else ""
    return HeatMap(
        f"{role} on {name} ({dataset}), {method}{vote}",
        "shape of the evaluation's episodes" if which == "episodes" else "shape of the training",
        ways,
        shots,
        [[_cell(cells.get((way, shot), [])) for shot in shots] for way in ways],
    )


def _cell(results: Iterable[Result]) -> Cell | None:
    accuracies = [float(result.row["accuracy"]) for result in results]
    if not accuracies:
        return None
    deviation = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
    chance = next(float(result.row["chance"]) for result in results)
    return Cell(float(np.mean(accuracies)), deviation, chance, len(accuracies))


def _training_shape(run: Run) -> tuple[int, int] | None:
    """Return the way and shot that a run was trained with, None where it drew no episodes."""
    settings = run.trained or run.settings
    way, shot = (settings.get(key) for key in TRAINING_SHAPE)
    if not isinstance(way, int) or not isinstance(shot, int) or not draws_episodes(settings):
        return None
    return way, shot


def _all_else(run: Run, shape: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    settings = run.everything
    kept = (key for key in settings if key not in shape and not key.startswith(ASIDE))
    return tuple((key, shown(settings[key])) for key in sorted(kept))
