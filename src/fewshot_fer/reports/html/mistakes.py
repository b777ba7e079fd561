"""Choose the pictures that a report shows, and make small copies of them for the page.

Shown are the most confident mistakes of a run, from its predictions.csv, and the pictures of a
class that were most often classified wrongly over all runs, from their answers.csv.
"""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data.decode import decode
from fewshot_fer.data.picture_parts import file_of
from fewshot_fer.evaluation.results import PREDICTION_COLUMNS
from fewshot_fer.runs.read import Unreadable, read_answers, read_table
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.progress import tqdm

MISTAKES = 8  # shown for a run and evaluation
HARD_PICTURES = 6  # shown for a class
PICTURE_LEVELS = ("image", "frame")  # levels at which a path names a picture
SIDE = 64  # pixels of a copy
QUALITY = 72
MOST_COPIES = 1500  # in a page; each takes about 2 kB
MOST_TABLES = 20  # kept in memory before they are added up


@dataclass(frozen=True)
class Mistake:
    """A picture that was taken for another class; probability: of that class, 0..1."""

    path: str
    true: str
    predicted: str
    probability: float


@dataclass
class RunPictures:
    """The pictures of a run's queries.

    mistakes: by (role, protocol, method); counts: by those and the level, as from `read_counts`;
    problems: a line on each file that is damaged.
    """

    mistakes: dict[tuple[str, str, str], list[Mistake]] = field(default_factory=dict)
    counts: dict[tuple[str, str, str, str], pd.DataFrame] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class PictureCounts:
    """Adds up over several runs how often each picture was a query and classified rightly."""

    tables: list[pd.DataFrame] = field(default_factory=list)

    def add(self, counts: pd.DataFrame) -> None:
        self.tables.append(counts)
        if len(self.tables) > MOST_TABLES:
            self.tables = [self.total()]

    def total(self) -> pd.DataFrame:
        """Return the sums: index path; columns label, group, asked, correct."""
        grouped = pd.concat(self.tables).groupby(level=0, sort=False)
        return grouped.agg({"label": "first", "group": "first", "asked": "sum", "correct": "sum"})


def read_pictures(folder: Path) -> RunPictures:
    """Return what predictions.csv and answers.csv of a run's folder hold, nothing where missing."""
    found = RunPictures()
    predictions, answers = folder / "predictions.csv", folder / "answers.csv"
    try:
        found.mistakes = read_mistakes(predictions) if predictions.exists() else {}
    except Unreadable as error:
        found.problems.append(f"predictions.csv {error}")
    try:
        found.counts, faults = read_counts(answers) if answers.exists() else ({}, [])
        found.problems += [f"answers.csv, left out: {fault}" for fault in faults]
    except Unreadable as error:
        found.problems.append(f"answers.csv {error}")
    return found


def read_mistakes(file: Path) -> dict[tuple[str, str, str], list[Mistake]]:
    """Return the most confident mistakes by (role, protocol, method), one of each picture or clip.

    Of several draws of a support the surest counts. Raises Unreadable where the file is damaged.
    """
    table = read_table(file, [column for column in PREDICTION_COLUMNS if column != "draw"])
    wrong = table[table["true"] != table["predicted"]]
    classes = [column for column in table.columns if column not in PREDICTION_COLUMNS]
    shares = wrong[classes].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    sure = np.nanmax(np.column_stack([shares, np.zeros(len(wrong))]), axis=1)
    wrong = wrong.assign(probability=np.clip(sure, 0, 1))
    wrong = wrong.sort_values("probability", ascending=False, kind="stable")
    found = {}
    for key, own in wrong.groupby(["role", "protocol", "method"], sort=False):
        seen = own["clip"].where(own["clip"].notna(), own["path"])
        first = own[~seen.duplicated()].head(MISTAKES)
        rows = first[["path", "true", "predicted", "probability"]].itertuples(index=False)
        found[(str(key[0]), str(key[1]), str(key[2]))] = [
            Mistake(str(path), str(true), str(given), float(probability))
            for path, true, given, probability in rows
        ]
    return found


def read_counts(file: Path) -> tuple[dict[tuple[str, str, str, str], pd.DataFrame], list[str]]:
    """Return answers.csv by (role, protocol, method, level), where a path is that of a picture,
    and a line on rows that make no sense.

    index: path; columns label, group, asked, correct. Raises Unreadable where it is damaged.
    """
    table, faults = read_answers(file)
    table = table[table["level"].isin(PICTURE_LEVELS)].set_index("path")
    names = ["role", "protocol", "method", "level"]
    found = {}
    for key, own in table.groupby(names, sort=False):
        found[tuple(map(str, key))] = own[["label", "group", "asked", "correct"]]
    return found, faults  # type: ignore[return-value]


def hardest_pictures(counts: pd.DataFrame, label: str) -> list[tuple[str, float, float]]:
    """Return (path, times right, times a query) of a class's hardest pictures, one of each clip.

    Shrunk towards the class's own accuracy by two answers' worth, so that one wrong answer to a
    picture that was a query once does not stand above forty to another.
    """
    own = counts[counts["label"] == label]
    if own.empty:
        return []
    overall = own["correct"].sum() / own["asked"].sum()
    shrunk = (own["correct"] + 2 * overall) / (own["asked"] + 2)
    ordered = own.assign(shrunk=shrunk).sort_values("shrunk", kind="stable")
    first = ordered.drop_duplicates("group").head(HARD_PICTURES)
    rows = zip(first.index, first["correct"], first["asked"], strict=True)
    return [(str(path), float(right), float(times)) for path, right, times in rows]


class Copies:
    """Numbers for the pictures that a page shows, each copied once however often it is shown.

    `most` of them at the most: a page of hundreds of runs has to stay one that can be sent.
    """

    def __init__(self, most: int = MOST_COPIES) -> None:
        self.most = most
        self.left_out = 0
        self.gone: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, path: str) -> int | None:
        """Return the number of a picture, None where there is no room for another one."""
        if path not in self._numbers:
            if len(self._numbers) >= self.most:
                self.left_out += 1
                return None
            self._numbers[path] = len(self._numbers)
        return self._numbers[path]

    def style(self) -> Markup:
        """Return a line of CSS for each picture that is still there; the others are counted."""
        with ThreadPoolExecutor() as pool:
            made = pool.map(thumbnail, self._numbers)
            total = len(self._numbers)
            copies = list(tqdm(made, "pictures", total, leave=False, disable=None, delay=2))
        self.gone = [path for path, copy in zip(self._numbers, copies, strict=True) if not copy]
        lines = [
            f".p{number}{{background-image:url(data:image/jpeg;base64,{copy})}}"
            for number, copy in enumerate(copies)
            if copy
        ]
        return Markup("\n".join(lines))  # digits and base64 only


def thumbnail(path: str) -> str | None:
    """Return a picture's centre square as a small JPEG in base64, None where it is gone."""
    pixels = decoded_or_none(path, SIDE)
    if pixels is None:
        return None
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
        stream, "JPEG", quality=QUALITY, optimize=True
    )
    return base64.b64encode(stream.getvalue()).decode()


def decoded_or_none(path: str, size: int) -> NDArray[np.uint8] | None:
    """Return pixels [3, size, size] of a picture, None where it is gone or cannot be read."""
    try:  # a pipe or a device, which would never end, is no file
        return decode(path, size) if Path(file_of(path)).is_file() else None
    except (DataError, OSError, ValueError):
        return None
