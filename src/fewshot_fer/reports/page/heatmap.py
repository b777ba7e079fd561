"""Way x shot: how accuracy changes with the shape of the episodes, all else equal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fewshot_fer.reports.page.collect import Run
from fewshot_fer.reports.page.comparable import Group, Result, data_of
from fewshot_fer.reports.page.differences import shown
from fewshot_fer.reports.page.run_files import draws_episodes

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
