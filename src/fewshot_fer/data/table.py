"""The FaceTable: one row a face image, the same columns for every data set."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.system.errors import DataError
from fewshot_fer.system.text import RENAME, fits_table

COLUMNS = ("path", "label", "split", "group", "clip", "frame", "dataset")
"""path: absolute file name; label: canonical class name; split: train, val, test or all;
group: what support and query must not share (clip, subject, or the image itself);
clip: key of the clip or an empty string; frame: 0-based number within the clip, or -1;
dataset: the data set's name, which also keeps equal file names of two data sets apart."""
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""How people spell splits -> the split's name in a table."""
STRINGS = ("path", "label", "split", "group", "clip", "dataset")


def make_table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Build a FaceTable from rows, sorted by path so that disk order never changes an experiment.

    A row without `group` is its own group; `clip` defaults to an empty string and `frame` to -1.
    Raises DataError as `validate_table` does.
    """
    table = pd.DataFrame.from_records(list(rows), columns=list(COLUMNS))
    table["group"] = table["group"].where(table["group"].notna(), table["path"])
    table["clip"] = table["clip"].astype(object).where(table["clip"].notna(), "")
    table["frame"] = pd.to_numeric(table["frame"]).fillna(-1).astype("int64")
    for column in STRINGS:
        table[column] = table[column].astype(object).map(str)
    table = table.sort_values(["dataset", "path"], kind="stable", ignore_index=True)
    validate_table(table)
    return table


def validate_table(table: pd.DataFrame) -> None:
    """Raise DataError where a table breaks the contract: columns, at least one row, unique keys."""
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise DataError(f"a face table needs the columns {', '.join(COLUMNS)}; missing: {missing}")
    if table.empty:
        raise DataError("a face table without a single image")
    twice = table.duplicated(["dataset", "path"])
    if twice.any():
        path = table.loc[twice, "path"].iloc[0]
        raise DataError(f"{path} is listed twice: each image may stand in a table once")
    for column in STRINGS:
        if not fits_table("".join(table[column])):
            unfit = next(text for text in table[column] if not fits_table(text))
            raise DataError(f"{unfit!a} {RENAME}")
    empty = table["label"].str.len() == 0
    if empty.any():
        raise DataError(f"{table.loc[empty, 'path'].iloc[0]} has an empty label")


def select_split(table: pd.DataFrame, split: str, where: str | Path) -> pd.DataFrame:
    """Return the rows of one split; `all` keeps every row. Raises DataError if none is left."""
    if split == "all":
        return table
    chosen = table[table["split"] == split].reset_index(drop=True)
    if chosen.empty:
        found = ", ".join(sorted(table["split"].unique()))
        raise DataError(
            f"no image of split '{split}' under {where}; splits found: {found} "
            f"(choose one, or 'all', with dataset.split= or eval.dataset.split=)"
        )
    return chosen


def has_groups(table: pd.DataFrame) -> bool:
    """Return whether any two images share a group."""
    return bool(table["group"].duplicated().any())


def balanced_rows(
    table: pd.DataFrame, rows: NDArray[np.int64], per_class: int, seed: int
) -> NDArray[np.int64]:
    """Return row numbers with per_class of each class, drawn from `rows`.

    A larger class gives a random part of its images, a smaller one each of its images equally often
    but for the remainder, which is drawn. A function of table, rows and seed.
    """
    random = np.random.default_rng([seed, zlib.crc32(b"balance")])
    labels = table["label"].to_numpy()[rows]
    chosen = []
    for label in sorted(set(labels)):
        own = rows[labels == label]
        whole, rest = divmod(per_class, len(own))
        chosen += [*([own] * whole), random.choice(own, size=rest, replace=False)]
    return np.sort(np.concatenate(chosen))
