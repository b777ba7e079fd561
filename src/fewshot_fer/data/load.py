"""From the configuration of a data set to its FaceTable.

Pictures that cannot be read, left out where the user says so, and listed.
"""

import csv
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from fewshot_fer.config.schema import DatasetConfig, DemoConfig, PathsConfig, TestVerb, TrainVerb
from fewshot_fer.data.adapters.afew import read_afew
from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.adapters.rafdb import read_rafdb_basic, read_rafdb_compound
from fewshot_fer.data.cache import cache_folder
from fewshot_fer.data.decode import decode, most_pixels
from fewshot_fer.data.pack import files_fingerprint
from fewshot_fer.data.table import mixed, select_split
from fewshot_fer.system.errors import ConfigError, DataError
from fewshot_fer.system.files import writing
from fewshot_fer.system.parallel import core_count

log = logging.getLogger("fewshot_fer")
FILE = "bad_images.csv"


@dataclass
class Skipping:
    """Leaves bad images out of every table; found: path -> why, of all tables so far."""

    image_size: int
    found: dict[str, str] = field(default_factory=dict)

    def without_bad(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows whose pictures can be read. Raises DataError if there are none."""
        bad = _bad_images(table["path"].tolist(), self.image_size)
        if not bad:
            return table
        self.found |= bad
        path, why = next(iter(bad.items()))
        log.warning(
            "%d image(s) that cannot be read are left out, %s first: %s", len(bad), path, why
        )
        kept = table[~table["path"].isin(set(bad))].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"not one of {len(table)} images can be read, {path} first: {why}")
        return kept


def skipping(asked: TrainVerb | TestVerb, trained: TrainVerb) -> Skipping | None:
    """Return what leaves bad images out, None where one is an error."""
    if asked.on_bad_image == "error":
        return None
    return Skipping(trained.backbone.side)


def _bad_images(paths: list[str], image_size: int) -> dict[str, str]:
    """Return path -> why for pictures that cannot be decoded; known from the cache a second time.

    A picture that is gone counts as bad too. Costs one decoding of all, once.
    """
    present = [path for path in paths if Path(path).is_file()]
    gone = {path: "no such file" for path in paths if not Path(path).is_file()}
    name = f"{files_fingerprint(present, image_size)}_{most_pixels()}.json"
    file = cache_folder() / "scans" / name
    known = _read(file)
    if known is None:
        known = {path: why for path, why in _scan(present, image_size) if why}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(known), encoding="utf-8")
        except OSError as error:
            log.warning("what was found is not kept: cannot write %s (%s)", file, error.strerror)
    return gone | known


def _scan(paths: list[str], image_size: int) -> list[tuple[str, str]]:
    def why(path: str) -> str:
        try:
            decode(path, image_size)
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(core_count()) as pool:
        bar = tqdm(
            pool.map(why, paths), total=len(paths), desc="trying images", disable=None, delay=2
        )
        return list(zip(paths, bar, strict=True))


def _read(file: Path) -> dict[str, str] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not all(isinstance(why, str) for why in content.values()):
        return None
    return content


def write_bad_images(run: Path, source: "Source") -> None:
    """List what was left out in the run's folder, in bad_images.csv; nothing where nothing was."""
    found = source.skipping.found if source.skipping else {}
    if not found:
        return
    with writing(run / FILE), (run / FILE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "reason"))
        table.writerows(sorted(found.items()))


def warned_bad_images(source: "Source") -> list[str]:
    """Return what the column `warnings` of results.csv says of them."""
    found = source.skipping.found if source.skipping else {}
    return [f"bad_images:{len(found)}"] if found else []


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
        from fewshot_fer.data.demo import ensure_demo

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
