"""From the configuration of a data set to its FaceTable."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from fewshot_fer.config import DatasetConfig, DemoConfig, PathsConfig
from fewshot_fer.data.afew import read_afew
from fewshot_fer.data.bad_images import Skipping
from fewshot_fer.data.cache import cache_folder
from fewshot_fer.data.csv_list import read_csv_list
from fewshot_fer.data.folder import read_folder
from fewshot_fer.data.mix import mixed
from fewshot_fer.data.rafdb import read_rafdb_basic, read_rafdb_compound
from fewshot_fer.data.table import select_split
from fewshot_fer.errors import ConfigError


@dataclass(frozen=True)
class Source:
    """Where data sets lie, and whether they are the embedded ones."""

    folder: Path
    demo: bool
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, compare=False)
    """What was read already: training and test on one data set read it, and warn of it, once."""
    skipping: Skipping | None = None  # None: a picture that cannot be read is an error

    def folder_of(self, settings: DatasetConfig) -> Path:
        return self.folder if settings.root is None else _absolute(settings.root)

    def official(self, settings: DatasetConfig) -> bool:
        """Tell whether the published counts can be expected there."""
        return not self.demo or settings.root is not None


def find_source(paths: PathsConfig, demo: DemoConfig, skipping: Skipping | None = None) -> Source:
    """Return where the data lie; draws the embedded data set if it is asked for and not there."""
    if paths.demo:
        from fewshot_fer.demo import ensure_demo

        return Source(
            ensure_demo(cache_folder(), demo.scale, demo.seed), demo=True, skipping=skipping
        )
    if paths.data is None:
        raise ConfigError("paths.data has no value: say where the data lie, or run with paths=demo")
    return Source(_absolute(paths.data), demo=False, skipping=skipping)


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def load_dataset(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    """Return the FaceTable of the chosen split. Raises DataError where the files are not right."""
    key = repr(replace(settings, split="all"))
    if key not in source.tables:
        table = _ADAPTERS[settings.adapter](settings, source)
        source.tables[key] = source.skipping.without_bad(table) if source.skipping else table
    return select_split(source.tables[key], settings.split, source.folder_of(settings))


def _rafdb_basic(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    official = source.official(settings)
    return read_rafdb_basic(source.folder_of(settings), official, settings.outside)


def _rafdb_compound(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    official = source.official(settings)
    return read_rafdb_compound(source.folder_of(settings), official, settings.outside)


def _afew(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    return read_afew(source.folder_of(settings), settings.outside)


def _mixed(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    if not settings.clips:
        raise ConfigError(
            "dataset.clips is empty: name AFEW clips by class, as conf/dataset/mixed.yaml"
        )
    table, _ = mixed(_rafdb_basic(settings, source), _afew(settings, source), settings.clips)
    return table


def _folder(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    return read_folder(source.folder_of(settings), outside=settings.outside)


def _csv(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    if settings.file is None:
        raise ConfigError("no file for the csv adapter: give dataset.file=/your/list.csv")
    root = None if settings.root is None else _absolute(settings.root)
    return read_csv_list(_absolute(settings.file), root, outside=settings.outside)


_ADAPTERS: dict[str, Callable[[DatasetConfig, Source], pd.DataFrame]] = {
    "rafdb_basic": _rafdb_basic,
    "rafdb_compound": _rafdb_compound,
    "afew": _afew,
    "mixed": _mixed,
    "folder": _folder,
    "csv": _csv,
}
