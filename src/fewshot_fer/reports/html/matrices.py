"""Confusion matrices, and the recall of each class over the runs.

Way x shot: how accuracy changes with the shape of the episodes, all else equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.evaluation.metrics import recalls
from fewshot_fer.reports.html.collect import Confusion, Run
from fewshot_fer.reports.html.differences import shown
from fewshot_fer.reports.html.groups import Group, Result, data_of
from fewshot_fer.runs.read import draws_episodes


@dataclass(frozen=True)
class Matrix:
    """given: names of the columns, `no face` last where queries were lost; shares [C, columns]:
    percent of the true class; asked [C]."""

    role: str
    protocol: str
    true: list[str]
    given: list[str]
    shares: list[list[int]]
    asked: list[int]
    recalls: list[int | None]


def matrix(confusion: Confusion) -> Matrix:
    """Return a confusion matrix in percent of the true class."""
    counts, names = confusion.counts, confusion.class_names
    asked = counts.sum(axis=1)
    shares = np.rint(100 * counts / np.maximum(asked, 1)[:, None]).astype(int)
    given = names + ["no face"] * (counts.shape[1] - len(names))
    own = [None if np.isnan(share) else round(100 * share) for share in recalls(counts)]
    return Matrix(
        confusion.role, confusion.protocol, names, given, shares.tolist(), asked.tolist(), own
    )


@dataclass(frozen=True)
class RecallTable:
    """values [runs][classes]: recall 0..1 or None; mean: over the runs; order: hardest first."""

    class_names: list[str]
    runs: list[Result]
    values: list[list[float | None]]
    mean: list[float | None]


MOST_ROWS = 30


def recall_table(group: Group) -> RecallTable | None:
    """Return each class's recall in the runs of a group, hardest class first, best run first.

    Only headlines have a confusion matrix: of several levels or methods, the first of a run.
    """
    found = [(result, confusion_of(result)) for result in group.results]
    known = [(result, confusion) for result, confusion in found if confusion is not None]
    if not known:
        return None
    names = sorted({name for _, confusion in known for name in confusion.class_names})
    values = np.array([_recalls_by_name(confusion, names) for _, confusion in known])
    mean = _mean(values)
    order = np.argsort(np.where(np.isnan(mean), 2, mean), kind="stable")
    shown = values[:MOST_ROWS, order]
    return RecallTable(
        [names[place] for place in order],
        [result for result, _ in known[:MOST_ROWS]],
        [_or_none(row) for row in shown],
        _or_none(mean[order]),
    )


def confusion_of(result: Result) -> Confusion | None:
    """Return the matrix of a result, None where it has none of its own."""
    row = result.row
    same = [
        r
        for r in result.run.results
        if (r["role"], r["protocol"]) == (row["role"], row["protocol"])
    ]
    if same[0] is not row:
        return None
    for confusion in result.run.confusions:
        if (confusion.role, confusion.protocol) == (row["role"], row["protocol"]):
            return confusion
    return None


def _recalls_by_name(confusion: Confusion, names: Sequence[str]) -> list[float]:
    own = dict(zip(confusion.class_names, recalls(confusion.counts), strict=True))
    return [float(own.get(name, np.nan)) for name in names]


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / known.sum(axis=0), dtype=np.float64)


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


ASIDE = ("paths.", "test.", "device", "seed", "episodes.save", "run", "resume")
TRAINED, ASKED = ("train.n_way", "train.k_shot"), ("eval.n_way", "eval.k_shot")


@dataclass(frozen=True)
class Cell:
    """Mean accuracy over `runs` runs, its deviation over them, and chance; fractions."""

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
    """cells [ways][shots], None where no run has the shape."""

    title: str
    which: str  # whose way and shot: of the episodes in training, or of the evaluation's
    ways: list[int]
    shots: list[int]
    cells: list[list[Cell | None]]


def heat_maps(groups: Sequence[Group]) -> list[HeatMap]:
    """Return a map for each set of results that differ in nothing but a shape and the seed."""
    found: dict[tuple[object, ...], dict[tuple[int, int], list[Result]]] = {}
    for result in (result for group in groups for result in group.results if not result.spoiled):
        row = result.row
        if row["role"] == "train" or row["deviation"] is not None:
            continue
        same = tuple(
            row[key]
            for key in ("role", "dataset", "disjoint", "level", "method", "uses", "n_query")
        )
        same += data_of(result.run, result.asked)
        name = _name(row["protocol"])
        asked = ("episodes", name, *same, _all_else(result.run, ASKED))
        found.setdefault(asked, {}).setdefault((row["n_way"], row["k_shot"]), []).append(result)
        trained = _trained(result.run)
        if trained is not None:
            key = ("training", row["protocol"], *same, _all_else(result.run, TRAINED))
            found.setdefault(key, {}).setdefault(trained, []).append(result)
    return [_heat_map(key, cells) for key, cells in found.items() if len(cells) > 1]


def _heat_map(key: tuple[object, ...], cells: dict[tuple[int, int], list[Result]]) -> HeatMap:
    ways, shots = (sorted({shape[place] for shape in cells}) for place in (0, 1))
    which, name, role, dataset, method = key[0], key[1], key[2], key[3], key[6]
    return HeatMap(
        f"{role} on {name} ({dataset}), {method}",
        "shape of the episodes asked" if which == "episodes" else "shape of the training episodes",
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


def _trained(run: Run) -> tuple[int, int] | None:
    """Return the way and shot that a run was trained with, None where it drew no episodes."""
    settings = run.trained or run.settings
    way, shot = (settings.get(key) for key in TRAINED)
    if not isinstance(way, int) or not isinstance(shot, int) or not draws_episodes(settings):
        return None
    return way, shot


def _all_else(run: Run, shape: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    settings = run.everything
    kept = (key for key in settings if key not in shape and not key.startswith(ASIDE))
    return tuple((key, shown(settings[key])) for key in sorted(kept))


def _name(protocol: str) -> str:
    """Return a protocol's name without its shape: compound for compound_4w5s."""
    return protocol.rpartition("_")[0] or protocol
