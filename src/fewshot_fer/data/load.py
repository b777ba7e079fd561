"""Load the data set that a configuration names, from paths.data or the demo.

Pictures that cannot be read are left out, and listed, where the user says so.
"""

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig, DemoConfig, PathsConfig, TestVerb, TrainVerb
from fewshot_fer.data.adapters.registry import adapter_names, find_adapter
from fewshot_fer.data.cache_folder import cache_folder
from fewshot_fer.data.decode import decode, most_pixels
from fewshot_fer.data.fingerprint import file_digests, pixels_digest
from fewshot_fer.data.listing import as_on_disk
from fewshot_fer.data.picture_parts import file_of
from fewshot_fer.data.splits import select_classes, select_of_each_set, select_split
from fewshot_fer.data.table_index import indexed_table
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.errors import ConfigError, DataError, WriteError
from fewshot_fer.system.files import atomic, write_text
from fewshot_fer.system.progress import tqdm

FILE = "bad_images.csv"
BAD_IMAGES = "bad_images"  # attribute of a table: path -> split of what was left out of it
log = logging.getLogger("fewshot_fer")


@dataclass
class Skipping:
    """Bad images, left out of every table.

    image_size: in pixels a side, at which they are decoded; None: none are looked for, and the
    first one is an error where it is met; found: path -> why, of all tables so far.
    """

    image_size: int | None = None
    found: dict[str, str] = field(default_factory=dict)

    def without_bad(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows whose pictures can be read. Raises DataError if there are none."""
        if self.image_size is None:
            return table
        bad = find_bad_images(table["path"].tolist(), self.image_size)
        if not bad:
            return table
        self.found |= bad
        path, why = next(iter(bad.items()))
        log.warning(
            "%d image(s) that cannot be read are left out, %s first: %s", len(bad), path, why
        )
        is_bad = table["path"].isin(set(bad))
        kept = table[~is_bad].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"not one of {len(table)} images can be read, {path} first: {why}")
        left_out = table.loc[is_bad, ["path", "split"]].itertuples(index=False)
        kept.attrs[BAD_IMAGES] = dict(tuple(each) for each in left_out)
        return kept

    def write(self, run: Path) -> None:
        """List what was left out in the run's bad_images.csv; nothing where nothing was."""
        if not self.found:
            return
        listed = pd.DataFrame(sorted(self.found.items()), columns=["path", "reason"])
        with atomic(run / FILE) as partial:
            listed.to_csv(partial, index=False, lineterminator="\r\n")


def skipping(verb: TrainVerb | TestVerb, trained: TrainVerb) -> Skipping:
    """Return how bad images are met, as a verb's settings say, at the image size of a run's."""
    return Skipping(trained.backbone.side if verb.on_bad_image == "skip" else None)


@dataclass(frozen=True)
class Source:
    """Where data sets lie, and whether they are drawn ones.

    tables: what was read before: training and test on one data set read it, and warn of it, once;
    drawing: the size and seed of the drawn ones;
    fresh: whether folders are listed anew though an index of them is known;
    skipping: the bad images that are left out.
    """

    folder: Path
    demo: bool
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, compare=False)
    skipping: Skipping = field(default_factory=Skipping, compare=False)
    drawing: DemoConfig = field(default_factory=DemoConfig)
    fresh: bool = False

    def folder_of(self, settings: DatasetConfig) -> Path:
        """Return the folder that a data set is looked for in."""
        return self.folder if settings.root is None else _absolute(settings.root)

    def official(self, settings: DatasetConfig) -> bool:
        """Return whether the published counts can be expected there."""
        return not self.demo or settings.root is not None

    def draw(self, settings: DatasetConfig) -> None:
        """Write the layouts of a data set, or of those it is made of, into the drawn set."""
        if not self.official(settings):
            from fewshot_fer.data.demo.layouts import ensure_layouts

            ensure_layouts(self.folder, [settings.adapter, *settings.sets], self.drawing)


def find_source(paths: PathsConfig, demo: DemoConfig, skipping: Skipping | None = None) -> Source:
    """Return where the data lie; draws the set of drawn faces if it is wanted and not there."""
    skipping = skipping or Skipping()
    if paths.demo:
        from fewshot_fer.data.demo import ensure_demo
        from fewshot_fer.data.demo.layouts import ensure_layouts

        drawn = ensure_demo(cache_folder(), demo.scale, demo.seed)
        ensure_layouts(drawn, demo.layouts, demo)
        return Source(drawn, demo=True, skipping=skipping, drawing=demo)
    if paths.data is None:
        raise ConfigError("paths.data has no value: say where the data lie, or run with paths=demo")
    return Source(_absolute(paths.data), demo=False, skipping=skipping)


def load_dataset(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    """Return the FaceTable of the chosen split. Raises DataError where the files are not right."""
    folder, table = source.folder_of(settings), _whole(settings, source)
    select = select_of_each_set if settings.sets else select_split
    return select_classes(select(table, settings.split, folder), settings.classes)


def _whole(settings: DatasetConfig, source: Source) -> pd.DataFrame:
    """Return the FaceTable of all splits and classes, read once; each set of a union counts."""
    key = repr(replace(settings, split="all", classes=[]))
    if key not in source.tables:
        source.draw(settings)
        folder, adapter = source.folder_of(settings), find_adapter(settings.adapter)
        read = partial(adapter.read, folder, settings, lambda other: _whole(other, source))
        indexed = adapter.is_own and not settings.sets  # which may be known from before
        table = indexed_table(f"{folder} {key}", read, not source.fresh) if indexed else read()
        if source.official(settings) and not settings.sets:  # its sets were counted by now
            _warn_of_counts(table, folder)
        source.tables[key] = source.skipping.without_bad(table)
    return source.tables[key]


def find_bad_images(paths: list[str], image_size: int) -> dict[str, str]:
    """Return path -> why for pictures that cannot be decoded; known from the cache a second time.

    A picture that is gone counts as bad too. Costs one decoding of all, once.
    """
    there = {file: Path(file).is_file() for file in {file_of(path) for path in paths}}
    present = [path for path in paths if there[file_of(path)]]
    gone = {path: "no such file" for path in paths if not there[file_of(path)]}
    # What is found names paths, so it is kept for the same files in the same places.
    named = "\0".join(present).encode(errors="surrogateescape")
    key = pixels_digest(file_digests(present), image_size) + f" {most_pixels()} "
    name = hashlib.sha256(key.encode() + named).hexdigest()
    file = cache_folder() / "scans" / f"{name}.json"
    known = _read(file)
    if known is None:
        known = {path: why for path, why in _scan(present, image_size) if why}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(known))
        except (OSError, WriteError) as error:
            log.warning("what was found is not kept: %s", error)
    return gone | known


def _scan(paths: list[str], image_size: int) -> list[tuple[str, str]]:
    """Return each path with the reason why it cannot be decoded, "" where it can."""

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


def _warn_of_counts(table: pd.DataFrame, folder: Path) -> None:
    """Warn of data sets in a table that have another number of images than is published."""
    for name, found in table["dataset"].value_counts().items():
        official = find_adapter(str(name)).n_images if name in adapter_names() else None
        if official not in (None, found):
            log.warning("%s: %d images under %s, officially %d", name, found, folder, official)


def _absolute(path: str) -> Path:
    return as_on_disk(Path(path).expanduser().absolute())
