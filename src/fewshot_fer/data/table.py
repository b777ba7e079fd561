"""The FaceTable: one row a face image, the same columns for every data set."""

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from fewshot_fer.data.labels import plain_name
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.text import RENAME, fits_table

COLUMNS = ("path", "label", "split", "group", "clip", "frame", "dataset")
"""path: absolute file name, or a part of a file as in `picture_parts`; label: canonical class name;
split: train, val, test or all, or fold1, fold2, ... in which the image is a test image;
group: what support and query must not share (clip, subject, or the image itself);
clip: key of the clip or an empty string; frame: 0-based number within the clip, or -1;
dataset: the data set's name, which also keeps equal file names of two data sets apart."""
SHOWN = 10  # names that a remark lists
STRINGS = ("path", "label", "split", "group", "clip", "dataset")


APART = ("group", "clip")
"""Columns whose names keep images apart: those that share one of them are one group."""


def make_table(
    rows: Sequence[dict[str, object]] | pd.DataFrame,
    apart: Sequence[str] = APART,
    remarks: Iterable[str] = (),
) -> pd.DataFrame:
    """Build a FaceTable from rows, sorted by path so that disk order never changes an experiment.

    rows: dicts, or a data frame of columns, which takes less memory. A row has a canonical label
    and, where it was spelled otherwise, its `spelling`; `clip` defaults to an empty string, `frame`
    to -1. Images that share the plain name in any of the columns `apart` are one group; an image
    without any is its own. attrs["remarks"]: sentences on what was read, those given and those
    found here. Raises DataError as `validate_table` does.
    """
    columns = [*{*COLUMNS, "spelling", *apart}]
    if isinstance(rows, pd.DataFrame):
        table = rows.reindex(columns=columns)
    else:
        table = pd.DataFrame.from_records(list(rows), columns=columns)
    for column in apart:
        plain = {name: plain_name(str(name)) or None for name in table[column].dropna().unique()}
        named = table[column].map(plain).astype(object)
        table[column] = named.where(named.notna(), None)
    groups = _connected(table[list(apart)])
    found = _joined(table[list(apart)], groups)
    spelled = table["spelling"].where(table["spelling"].notna(), table["label"]).map(str)
    found += _one_class(spelled, table["label"])
    table["group"] = groups.where(groups.notna(), table["path"])
    table["clip"], repeated = _clip_keys(table)
    table["frame"] = pd.to_numeric(table["frame"]).fillna(-1).astype("int64")
    for column in STRINGS:
        table[column] = table[column].astype(object).map(str)
    table = table[list(COLUMNS)].sort_values(["dataset", "path"], kind="stable", ignore_index=True)
    validate_table(table)
    name = table["dataset"].iloc[0]
    table.attrs["remarks"] = [*remarks, *(f"{name}: {remark}" for remark in found + repeated)]
    return table


def _connected(names: pd.DataFrame) -> pd.Series:
    """Return the group of each row: rows that share the name in any column are in one.

    It is called by the least of its names in the first column that has any; None without a name.
    """
    leader: dict[tuple[int, str], tuple[int, str]] = {}

    def lead(key: tuple[int, str]) -> tuple[int, str]:
        while leader.setdefault(key, key) != key:
            leader[key] = key = leader[leader[key]]
        return key

    rows = {row: [*_keys(row)] for row in names.itertuples(index=False, name=None)}
    for first, *others in filter(None, rows.values()):
        for key in others:
            low, high = sorted((lead(first), lead(key)))
            leader[high] = low
    called = {row: lead(keys[0]) for row, keys in rows.items() if keys}
    taken = {name for place, name in called.values() if place == 0}
    # A clip without a subject may be called like another one's subject.
    groups = {
        row: f"{names.columns[place]} {name}" if place and name in taken else name
        for row, (place, name) in called.items()
    }
    of_rows = [groups.get(row) for row in names.itertuples(index=False, name=None)]
    return pd.Series(of_rows, index=names.index, dtype=object)


def _keys(row: tuple[object, ...]) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each column that has a name."""
    return ((place, str(name)) for place, name in enumerate(row) if name is not None)


def _joined(names: pd.DataFrame, groups: pd.Series) -> list[str]:
    """Say which names of the first column are one group since they share others."""
    pairs = pd.DataFrame({"name": names.iloc[:, 0], "group": groups}).dropna(subset="group")
    pairs = pairs.drop_duplicates()
    # The few alone: `unique` in each of 70,000 groups would take seconds.
    several = pairs[pairs["group"].duplicated(keep=False)].groupby("group")["name"].unique()
    if several.empty:
        return []
    return [
        f"{several.map(len).sum()} groups share clips, and so count as {len(several)}: "
        f"{_listed(several.iloc[0])} first; where clips are numbered anew in each group, name them "
        f"group/number"
    ]


def _one_class(spelled: pd.Series, labels: pd.Series) -> list[str]:
    """Say which spellings were read as one class."""
    spellings = spelled.groupby(labels).unique()
    return [
        f"{_listed(several)} are {'both' if len(several) == 2 else 'all'} read as {label}"
        for label, several in spellings.items()
        if len(several) > 1
    ]


def _clip_keys(table: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Return each row's clip, with its class where clips of several classes have one name."""
    clips = table["clip"].where(table["clip"].notna(), "")
    pairs = pd.DataFrame({"clip": clips, "label": table["label"]}).drop_duplicates()
    repeated = sorted({*pairs.loc[pairs["clip"].duplicated(), "clip"]} - {""})
    if not repeated:
        return clips, []
    keys = (table["label"] + "/" + clips).where(clips.isin(repeated), clips)
    return keys, [
        f"{len(repeated)} names of clips stand under several classes, {repeated[0]} first: one "
        f"group each, but in votes a clip of each class"
    ]


def _listed(names: Iterable[object]) -> str:
    """Return names as in `a, b and c`, ten at most."""
    *some, last = sorted(map(str, names))
    if len(some) >= SHOWN:
        return f"{', '.join(some[:SHOWN])} and {len(some) + 1 - SHOWN} more"
    return f"{', '.join(some)} and {last}" if some else last


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
        if not fits_table("".join(table[column].tolist())):
            unfit = next(text for text in table[column] if not fits_table(text))
            raise DataError(f"{unfit!a} {RENAME}")
    empty = table["label"].str.len() == 0
    if empty.any():
        raise DataError(f"{table.loc[empty, 'path'].iloc[0]} has an empty label")


def group_keys(table: pd.DataFrame) -> pd.Series:
    """Return what names the group of every row among all data sets.

    That is data set and group, as equal names in two data sets are different people, or the path of
    an image that is a group of its own.
    """
    keys: pd.Series = table["dataset"] + " " + table["group"]
    return keys.where(table["group"] != table["path"], table["path"])


def has_groups(table: pd.DataFrame) -> bool:
    """Return whether any two images share a group."""
    return bool(group_keys(table).duplicated().any())


def class_sizes(table: pd.DataFrame, class_names: Sequence[str]) -> list[int]:
    """Return how many images of a FaceTable each class has."""
    counts = table["label"].value_counts()
    return [int(counts.get(name, 0)) for name in class_names]
