"""Read several data sets as one table, in which each row keeps its set."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_fer.config.conf_files import dataset_settings
from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import ReadOther, register_adapter
from fewshot_fer.data.splits import select_classes
from fewshot_fer.data.table import validate_table
from fewshot_fer.system.errors import ConfigError, DataError, NotThereError

NO_MEMBERS = {
    "union": "name its sets",
    "mixed": "name rafdb_basic and afew",
    "folder": "list its pictures in a CSV, dataset.sets=[...,csv] dataset.file=/your/list.csv",
}
"""What cannot be a set of a union, and what to give instead."""
NO_FILE = "csv (give dataset.file=/your/list.csv)"
log = logging.getLogger("fewshot_fer")


@register_adapter("union", "the data sets that dataset.sets names, beside one another")
def read_union(data: Path, settings: DatasetConfig, read_other: ReadOther) -> pd.DataFrame:
    """Return the FaceTable of all splits of the sets that `dataset.sets` names.

    data: the folder that holds them. Each is read as its file in conf/dataset/ says, and the list
    of a set `csv` is `dataset.file`. Raises ConfigError where no sets are named, and NotThereError
    for sets that are not there or, with `dataset.skip_missing`, where none is; DataError where two
    hold the same file.
    """
    tables: dict[str, pd.DataFrame] = {}
    missing: dict[str, str] = {}
    for name, member in members(settings).items():
        if member.adapter == "csv" and member.file is None and settings.skip_missing:
            missing[NO_FILE] = "no file for the set csv: give dataset.file=/your/list.csv"
            continue
        try:
            tables[name] = select_classes(read_other(member), member.classes)
        except NotThereError as error:
            if not settings.skip_missing:
                raise
            missing[name] = str(error)
    if missing:
        _say_missing(missing, found=list(tables), data=data)
    return join_sets(tables)


def members(settings: DatasetConfig) -> dict[str, DatasetConfig]:
    """Return the settings of each set of a union, by its name, in the order of `dataset.sets`.

    Raises ConfigError where none is named, one is named twice, or is itself several.
    """
    if not settings.sets:
        raise ConfigError(
            "dataset.sets is empty: name the data sets of the union, as "
            "dataset=union dataset.sets=[rafdb_basic,ckplus,sfew]"
        )
    found: dict[str, DatasetConfig] = {}
    for name in settings.sets:
        own = dataset_settings(name)
        if own.adapter in NO_MEMBERS:
            raise ConfigError(f"dataset.sets: {name} cannot be one of them: {NO_MEMBERS[name]}")
        if name in found:
            raise ConfigError(f"dataset.sets names {name} twice: a set counts once")
        is_list = own.adapter == "csv"  # whose paths are relative to its own folder
        found[name] = replace(
            own,
            root=own.root if is_list else settings.root or own.root,
            file=settings.file if is_list else own.file,
        )
    return found


def join_sets(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables, by name. Raises DataError where two hold the same file."""
    table = pd.concat(tables.values(), ignore_index=True)
    of_set = [name for name, own in tables.items() for _ in range(len(own))]
    twice = table["path"].duplicated(keep=False)
    if twice.any():
        sets = pd.Series(of_set)[twice]
        path = table.loc[twice, "path"].iloc[0]
        names = sets[(table.loc[twice, "path"] == path)].tolist()
        raise DataError(
            f"dataset.sets: {int(table['path'].duplicated().sum())} files stand in several of "
            f"{', '.join(sets.unique())}, and could be support and query of one episode: {path} in "
            f"{' and '.join(names)} first. Name one of them"
        )
    validate_table(table)
    table.attrs.update(_joined_attributes(tables))
    return table


def _joined_attributes(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return what is known of all tables: names of the sets, remarks, bad images, lost clips."""
    joined: dict[str, Any] = {"remarks": [], "bad_images": {}, "lost_clips": {}}
    joined["sets"] = list(tables)
    for name, own in tables.items():
        joined["remarks"] += own.attrs.get("remarks", [])
        joined["bad_images"] |= own.attrs.get("bad_images", {})
        for clip, label in own.attrs.get("lost_clips", {}).items():
            split, _, rest = clip.partition("/")  # two sets may have a clip of one name
            joined["lost_clips"][f"{split}/{name}/{rest}"] = label
    return joined


def _say_missing(missing: Mapping[str, str], found: list[str], data: Path) -> None:
    """Log which sets are left out. Raises NotThereError where no set is left."""
    if not found:
        first = next(iter(missing.values()))
        raise NotThereError(
            f"none of the sets of dataset.sets is in {data}: get {', '.join(missing)}, and name "
            f"the folder that holds them with paths.data=. The first: {first}"
        )
    log.warning(
        "union: read %s; not found in %s and left out: %s. "
        "python -m fewshot_fer.check dataset=NAME says what is expected",
        *(", ".join(found), data, ", ".join(missing)),
    )
