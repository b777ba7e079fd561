"""The matrix of sources by targets in a transfer.csv."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fewshot_fer.reports.transfer_table import COLUMNS, FILE
from fewshot_fer.runs.read import read_rows, require

Texts = dict[str, str]


@dataclass(frozen=True)
class TransferCell:
    """A row of transfer.csv."""

    row: Texts

    @property
    def accuracy(self) -> float | None:
        """Mean over seeds, None where there is no figure."""
        return _number(self.row["accuracy"])

    @property
    def deviation(self) -> float | None:
        """Of the accuracy over seeds, None for a single one."""
        return _number(self.row["accuracy_deviation"])

    @property
    def chance(self) -> float | None:
        return _number(self.row["chance"])

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The interval to believe: over groups or, in its absence, over episodes."""
        for kind in ("group_ci95", "ci95"):
            low, high = (_number(self.row[f"{kind}_{end}"]) for end in ("low", "high"))
            if low is not None and high is not None:
                return low, high
        return None, None

    @property
    def above_chance(self) -> float:
        """0 at chance, 1 at 100 %: what colours a cell, since chance differs with the target."""
        if self.accuracy is None or self.chance is None:
            return 0.0
        return max(0.0, (self.accuracy - self.chance) / (1 - self.chance or 1))

    @property
    def at_chance(self) -> bool:
        """Whether the interval holds chance."""
        low, high = self.interval
        return None not in (low, high, self.chance) and low <= self.chance <= high  # type: ignore[operator]

    @property
    def same_set(self) -> bool:
        return self.row["same_set"] == "true"

    @property
    def is_warned_of(self) -> bool:
        """Whether the check found something on the row, as images of it that were trained on."""
        return bool(self.row["warnings"])

    @property
    def classes(self) -> list[str]:
        """The classes that both sides have, none where the source's are not known."""
        return [name for name in self.row["shared_classes"].split("; ") if name]


@dataclass(frozen=True)
class TransferMatrix:
    """Accuracies of one method. sources: name and, below it, settings and what the encoder knew;
    targets: name, shape and chance, "" where it is not the same in all rows; cells [S][T]."""

    method: str
    sources: list[tuple[str, str]]
    targets: list[tuple[str, str, str]]
    cells: list[list[TransferCell]]

    @property
    def shared(self) -> dict[tuple[str, ...], list[str]]:
        """Classes that both sides have -> `sources → targets` that share just these."""
        pairs: dict[tuple[str, ...], dict[str, list[str]]] = {}
        for cell in (cell for cells in self.cells for cell in cells if cell.row["n_shared"]):
            _add_pair(pairs.setdefault(tuple(cell.classes), {}), cell)
        return {classes: _lines(found) for classes, found in pairs.items()}

    @property
    def empty(self) -> dict[str, list[str]]:
        """Why there is no figure, or one of fewer seeds -> `sources → targets` without it."""
        pairs: dict[str, dict[str, list[str]]] = {}
        for cell in (cell for cells in self.cells for cell in cells if cell.row["error"]):
            _add_pair(pairs.setdefault(cell.row["error"], {}), cell)
        return {error: _lines(found) for error, found in pairs.items()}


def _add_pair(pairs: dict[str, list[str]], cell: TransferCell) -> None:
    targets = pairs.setdefault(cell.row["source"], [])
    targets += [] if cell.row["target"] in targets else [cell.row["target"]]


def _lines(pairs: dict[str, list[str]]) -> list[str]:
    sources: dict[tuple[str, ...], list[str]] = {}  # by what they lead to, which is often the same
    for source, targets in pairs.items():
        sources.setdefault(tuple(targets), []).append(source)
    return [f"{', '.join(own)} → {', '.join(targets)}" for targets, own in sources.items()]


def read_transfer(folder: Path) -> list[TransferMatrix]:
    """Return the matrices in a sweep's transfer.csv, none without one. Raises RunError."""
    file = folder / FILE
    if not file.is_file():
        return []
    return transfer_matrices(pd.DataFrame(require(read_rows, file, COLUMNS), dtype=str))


def transfer_matrices(table: pd.DataFrame) -> list[TransferMatrix]:
    """Return the matrix of the runs' own methods, then one for each other method of the table.

    Of several levels (frame, clip) the first counts, the headline.
    """
    rows = [
        {str(key): str(value) for key, value in row.items()} for row in table.to_dict("records")
    ]
    by_place: dict[tuple[str, ...], list[Texts]] = {}
    for row in rows:
        by_place.setdefault(_place(row), []).append(row)
    own = {place: of_place[0] for place, of_place in by_place.items()}
    names = ", ".join(dict.fromkeys(row["method"] for row in own.values() if row["method"]))
    beside = (row for of_place in by_place.values() for row in of_place[1:])
    owns = {place: row["method"] for place, row in own.items()}
    others = dict.fromkeys(row["method"] for row in beside if row["method"] != owns[_place(row)])
    matrices = [_matrix(names, own)]
    for method in others:
        first = {
            place: next((row for row in of_place if row["method"] == method), _empty(own[place]))
            for place, of_place in by_place.items()
        }
        matrices.append(_matrix(method, first))
    return matrices


def _place(row: Texts) -> tuple[str, ...]:
    return row["source"], row["settings"], row["target"]


def _empty(row: Texts) -> Texts:
    kept = ("source", "settings", "target", "same_set", "n_shared", "shared_classes")
    return {key: row[key] if key in kept else "" for key in row}


def _matrix(method: str, rows: dict[tuple[str, ...], Texts]) -> TransferMatrix:
    sources = list(dict.fromkeys(place[:2] for place in rows))
    targets = list(dict.fromkeys(place[2] for place in rows))
    cells = [[TransferCell(rows[*source, target]) for target in targets] for source in sources]
    return TransferMatrix(
        method,
        [_source(own) for own in cells],
        [_target([own[place] for own in cells]) for place in range(len(targets))],
        cells,
    )


def _source(cells: Sequence[TransferCell]) -> tuple[str, str]:
    known = (cell.row["pretrained"] for cell in cells if cell.row["pretrained"] not in ("", "none"))
    start = next((f"pretrained: {each}" for each in known), "")
    row = cells[0].row
    return row["source"], ", ".join(filter(None, [row["settings"], start]))


def _target(cells: Sequence[TransferCell]) -> tuple[str, str, str]:
    name = cells[0].row["target"]
    shapes = {(cell.row["n_way"], cell.row["k_shot"]) for cell in cells if cell.row["n_way"]}
    chances = {cell.chance for cell in cells if cell.chance is not None}
    way, shot = shapes.pop() if len(shapes) == 1 else ("", "")
    shape = f"{way}-way {shot}-shot" if way else ""
    return name, shape, f"{100 * chances.pop():.1f}" if len(chances) == 1 else ""


def _number(text: str) -> float | None:
    return float(text) if text else None
