"""Load the data set that a configuration names: its FaceTable, from paths.data or the demo."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig, DemoConfig, PathsConfig
from fewshot_fer.data.adapters.registry import adapter_names, find_adapter
from fewshot_fer.data.bad_images import Skipping
from fewshot_fer.data.cache import cache_folder
from fewshot_fer.data.table import select_split
from fewshot_fer.system.errors import ConfigError

log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Source:
    """Where data sets lie, and whether they are the embedded ones.

    tables: what was read before: training and test on one data set read it, and warn of it, once;
    skipping: the bad images that are left out.
    """

    folder: Path
    demo: bool
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, compare=False)
    skipping: Skipping = field(default_factory=Skipping, compare=False)

    def folder_of(self, settings: DatasetConfig) -> Path:
        """Return the folder that a data set is looked for in."""
        return self.folder if settings.root is None else _absolute(settings.root)

    def official(self, settings: DatasetConfig) -> bool:
        """Return whether the published counts can be expected there."""
        return not self.demo or settings.root is not None


def find_source(paths: PathsConfig, demo: DemoConfig, skipping: Skipping | None = None) -> Source:
    """Return where the data lie; draws the embedded data set if it is asked for and not there."""
    skipping = skipping or Skipping()
    if paths.demo:
        from fewshot_fer.data.demo import ensure_demo

        drawn = ensure_demo(cache_folder(), demo.scale, demo.seed)
        return Source(drawn, demo=True, skipping=skipping)
    if paths.data is None:
        raise ConfigError("paths.data has no value: say where the data lie, or run with paths=demo")
    return Source(_absolute(paths.data), demo=False, skipping=skipping)


def load_dataset(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    """Return the FaceTable of the chosen split. Raises DataError where the files are not right."""
    key, folder = repr(replace(settings, split="all")), source.folder_of(settings)
    if key not in source.tables:
        table = find_adapter(settings.adapter).read(folder, settings)
        if source.official(settings):
            _warn_of_counts(table, folder)
        source.tables[key] = source.skipping.without_bad(table)
    return select_split(source.tables[key], settings.split, folder)


def _warn_of_counts(table: pd.DataFrame, folder: Path) -> None:
    """Warn of data sets in a table that have another number of images than is published."""
    for name, found in table["dataset"].value_counts().items():
        official = find_adapter(str(name)).n_images if name in adapter_names() else None
        if official not in (None, found):
            log.warning("%s: %d images under %s, officially %d", name, found, folder, official)


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()
