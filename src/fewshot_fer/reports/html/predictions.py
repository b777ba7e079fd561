"""predictions.csv and answers.csv of many runs, read fast and cut down to what is shown.

Answers of many runs, read by several processes where there is enough to read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from fewshot_fer.runs.read import Unreadable
from fewshot_fer.runs.tables import PREDICTION_COLUMNS
from fewshot_fer.system.parallel import core_count, map_in_processes

MISTAKES = 8  # shown for a run and evaluation
HARD_PICTURES = 6  # shown for a class
ANSWERS = ("role", "protocol", "method", "level", "path", "group", "label", "asked", "correct")
PREDICTIONS = ("role", "protocol", "method", "path", "clip", "true", "predicted")
TEXTS = dict.fromkeys(("path", "group", "clip"), object) | dict.fromkeys(
    ("role", "protocol", "method", "level", "label", "true", "predicted"), "category"
)
"""How columns are read: as text, the few words of a column of words once."""
PICTURES = ("image", "frame")  # levels at which a path names a picture
MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Mistake:
    """A picture that was taken for another class; probability: of that class, 0..1."""

    path: str
    true: str
    predicted: str
    probability: float


@dataclass
class Asked:
    """Answers a picture, over all runs read: index path; columns label, group, asked, correct."""

    parts: list[pd.DataFrame] = field(default_factory=list)

    def add(self, answers: pd.DataFrame) -> None:
        self.parts.append(answers)
        if len(self.parts) > 20:  # so that memory holds a few runs, not all
            self.parts = [self.table()]

    def table(self) -> pd.DataFrame:
        whole = pd.concat(self.parts)
        grouped = whole.groupby(level=0, sort=False, observed=True)
        return grouped.agg({"label": "first", "group": "first", "asked": "sum", "correct": "sum"})


@dataclass
class Answers:
    """What a run answered: mistakes by (role, protocol, method), answers by those and the level,
    and a line on each file that is damaged."""

    mistakes: dict[tuple[str, str, str], list[Mistake]] = field(default_factory=dict)
    asked: dict[tuple[str, str, str, str], pd.DataFrame] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_answers(folder: Path) -> Answers:
    """Return what predictions.csv and answers.csv of a run's folder hold, nothing where missing."""
    read = Answers()
    try:
        read.mistakes = read_mistakes(folder / "predictions.csv")
    except Unreadable as error:
        read.problems.append(f"predictions.csv {error}")
    try:
        read.asked = read_asked(folder / "answers.csv")
    except Unreadable as error:
        read.problems.append(f"answers.csv {error}")
    return read


def read_mistakes(file: Path) -> dict[tuple[str, str, str], list[Mistake]]:
    """Return the most confident mistakes by (role, protocol, method), one of each picture or clip.

    Of several draws of a support the surest counts. Raises Unreadable where the file is damaged.
    """
    table = _read(file, PREDICTIONS)
    if table is None:
        return {}
    wrong = table[np.asarray(table["true"], object) != np.asarray(table["predicted"], object)]
    classes = [column for column in table.columns if column not in PREDICTION_COLUMNS]
    shares = wrong[classes].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    sure = np.nanmax(np.column_stack([shares, np.zeros(len(wrong))]), axis=1)
    wrong = wrong[list(PREDICTIONS)].assign(probability=np.clip(sure, 0, 1))
    wrong = wrong.sort_values("probability", ascending=False, kind="stable")
    found = {}
    for key, own in wrong.groupby(["role", "protocol", "method"], sort=False, observed=True):
        seen = own["clip"].where(own["clip"].notna(), own["path"])
        first = own[~seen.duplicated()].head(MISTAKES)
        rows = first[["path", "true", "predicted", "probability"]].itertuples(index=False)
        found[(str(key[0]), str(key[1]), str(key[2]))] = [
            Mistake(str(path), str(true), str(given), float(sure))
            for path, true, given, sure in rows
        ]
    return found


def read_asked(file: Path) -> dict[tuple[str, str, str, str], pd.DataFrame]:
    """Return answers.csv by (role, protocol, method, level), where a path is that of a picture.

    index: path; columns label, group, asked, correct. Raises Unreadable where it is damaged.
    """
    table = _read(file, ANSWERS)
    if table is None:
        return {}
    table = table[table["level"].isin(PICTURES)]
    for column in ("asked", "correct"):
        table = table.assign(**{column: pd.to_numeric(table[column], errors="coerce")})
    sound = (table["asked"] > 0) & table["correct"].between(0, np.inf)
    table = table[sound].astype({"label": object}).set_index("path")
    found = {}
    for key, own in table.groupby(
        ["role", "protocol", "method", "level"], observed=True, sort=False
    ):
        found[tuple(map(str, key))] = own[["label", "group", "asked", "correct"]]
    return found  # type: ignore[return-value]


def _read(file: Path, needed: Sequence[str]) -> pd.DataFrame | None:
    """Return a table, None where there is none. Raises Unreadable where it is damaged."""
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > MOST_BYTES:
            raise Unreadable(f"is larger than {MOST_BYTES // 10**9} GB")
        table = pd.read_csv(file, dtype=TEXTS, keep_default_na=False, na_values=[""], engine="c")
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {' '.join(str(error).split())[:200]}") from error
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise Unreadable(f"has no column {', '.join(missing)}")
    return table


def hardest_pictures(asked: pd.DataFrame, label: str) -> list[tuple[str, float, float]]:
    """Return (path, right answers, times asked) of a class's hardest pictures, one of each clip.

    Shrunk towards the class's own accuracy by two answers' worth, so that one wrong answer to a
    picture that was asked once does not stand above forty to another.
    """
    own = asked[asked["label"].astype(object) == label]
    if own.empty:
        return []
    overall = own["correct"].sum() / own["asked"].sum()
    shrunk = (own["correct"] + 2 * overall) / (own["asked"] + 2)
    ordered = own.assign(shrunk=shrunk).sort_values("shrunk", kind="stable")
    first = ordered.drop_duplicates("group").head(HARD_PICTURES)
    rows = zip(first.index, first["correct"], first["asked"], strict=True)
    return [(str(path), float(correct), float(asked)) for path, correct, asked in rows]


WORTH_A_PROCESS = 40_000_000  # bytes, read in the second or two that a process takes to start
MOST_PROCESSES = 8  # each holds a few tables
SLAB = 16  # runs handed out at a time, so that not all wait in memory


def each_answers(folders: Sequence[Path]) -> Iterator[Answers]:
    """Yield what each run's folder answers, in their order, with a progress bar on a terminal."""
    files = [folder / name for folder in folders for name in ("predictions.csv", "answers.csv")]
    size = sum(file.stat().st_size for file in files if file.is_file())
    workers = min(MOST_PROCESSES, core_count(), len(folders), 1 + size // WORTH_A_PROCESS)
    alone = map(read_answers, folders)
    read = alone if workers < 2 else map_in_processes(read_answers, folders, workers, SLAB)
    yield from tqdm(read, "reading answers", len(folders), unit="run", leave=False, disable=None)
