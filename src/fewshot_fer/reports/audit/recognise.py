"""Say which data sets lie in a folder that nobody knows: every adapter tries to read it."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot_fer.config.quoting import pasteable
from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import Adapter, adapter_names, find_adapter
from fewshot_fer.data.decode import look_at_header
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import folders_in, images_in, natural_key
from fewshot_fer.data.picture_parts import file_of
from fewshot_fer.system.errors import ConfigError, DataError, NotThereError
from fewshot_fer.system.progress import tqdm

SAMPLE = 200  # pictures whose names are looked at, and
SIZED = 5  # pictures whose sizes are
MOST_FOLDERS = 40  # in a folder, of which each may hold a data set
MOST_LISTS = 5  # CSV files that are tried
log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class Fit:
    """A data set that an adapter reads in a folder.

    folder: what is given as paths.data; root: the folder of all its pictures; n_clips: 0 where it
    has none; against: in words what its pictures have otherwise than published, if they do;
    official: the published number of images or clips, None where it is not known here; apart: how
    far the counts are from the published ones, 0 for the same.
    """

    adapter: Adapter
    settings: DatasetConfig
    folder: Path
    root: Path
    n_images: int
    n_clips: int
    n_groups: int
    classes: dict[str, int]
    splits: dict[str, int]
    example: str
    size: tuple[int, int] | None
    against: tuple[str, ...]
    official: int | None
    missing_classes: int
    apart: float


@dataclass(frozen=True)
class Near:
    """A data set that is not read, although something of it is there. missing: why, in short."""

    name: str
    missing: str


@dataclass(frozen=True)
class Recognised:
    """What lies in a folder: data sets, the surest first, and some that nearly do."""

    fits: list[Fit]
    near: list[Near]

    @property
    def sure(self) -> list[Fit]:
        """The data sets whose pictures are like those that are published."""
        return [fit for fit in self.fits if not fit.against]


def recognise_folder(folder: Path) -> Recognised:
    """Return which data sets lie in a folder, or in a folder right below it.

    Folders of anybody's, and lists, are tried where nothing else is sure. Raises DataError for what
    is no folder, or holds nothing.
    """
    _require_folder(folder)
    known = [find_adapter(name) for name in adapter_names()]
    own = [adapter for adapter in known if not adapter.anyones]
    fits, near = _try_all([(adapter, folder) for adapter in own])
    inner = folders_in(folder)
    if len(inner) <= MOST_FOLDERS:
        roots = [fit.root for fit in fits]
        others = [place for place in inner if not any(_share(place, root) for root in roots)]
        deeper, nearly = _try_all([(adapter, place) for place in others for adapter in own])
        fits, near = fits + deeper, near + nearly
    if all(fit.against for fit in fits):
        of_anyone, _ = _try_all([(adapter, folder) for adapter in known if adapter.anyones])
        fits += [fit for fit in of_anyone if len(fit.classes) > 1]  # one is any folder of folders
    covered = [f"{fit.root}{os.sep}" for fit in fits]
    left = {one for one in near if not any(root in one.missing for root in covered)}
    return Recognised(sorted(fits, key=_rank), sorted(left, key=lambda one: one.name))


def _rank(fit: Fit) -> tuple[bool, bool, int, float]:
    return bool(fit.against), fit.adapter.anyones, fit.missing_classes, fit.apart


def _share(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _require_folder(folder: Path) -> None:
    if not folder.exists():
        raise DataError(f"data={folder} is not there: give a folder that holds a data set")
    if not folder.is_dir():
        raise DataError(
            f"data={folder} is a file: give the folder that it lies in; a list of images with the "
            f"columns path,label is read by dataset=csv {pasteable('dataset.file', folder)}"
        )
    if not any(folder.iterdir()):
        raise DataError(f"data={folder} is empty: give a folder that holds a data set")


def _try_all(tries: Sequence[tuple[Adapter, Path]]) -> tuple[list[Fit], list[Near]]:
    fits: list[Fit] = []
    near: list[Near] = []
    level = log.level
    log.setLevel(logging.ERROR)  # readers warn of folders that turn out not to be theirs
    try:
        for adapter, place in tqdm(tries, desc="trying data sets", disable=None, delay=2):
            for settings in _settings(adapter, place):
                try:
                    fits.append(_fit(adapter, settings, place))
                except ConfigError:  # one that is made of others
                    continue
                except NotThereError as error:
                    near += [Near(adapter.name, error.missing)] if error.near else []
                except (DataError, OSError) as error:
                    near.append(Near(adapter.name, str(error)))
    finally:
        log.setLevel(level)
    return fits, near


def _settings(adapter: Adapter, place: Path) -> Iterator[DatasetConfig]:
    """Yield the settings by which an adapter reads a folder: one, or one a list."""
    if adapter.name != "csv":
        yield DatasetConfig(adapter.name)
        return
    for file in images_in(place, (".csv",))[:MOST_LISTS]:
        yield DatasetConfig(adapter.name, file=str(file))


def _fit(adapter: Adapter, settings: DatasetConfig, place: Path) -> Fit:
    """Return what an adapter reads in a folder. Raises UserError where it reads nothing."""
    table = adapter.read(place, settings)
    paths = table["path"].tolist()
    root = Path(os.path.commonpath([os.path.dirname(file_of(path)) for path in {*paths}]))  # noqa: PTH120
    size, against = _unlike(adapter, paths)
    unit = table.drop_duplicates("clip") if adapter.unit == "clips" else table
    lost = table.attrs.get("lost_clips", {})
    found = Counter(unit["label"]) + Counter(lost.values())
    official, missing, apart = _against_published(adapter, found)
    splits = table["split"].value_counts(sort=False)
    return Fit(
        adapter=adapter,
        settings=settings,
        folder=place,
        root=root,
        n_images=len(table),
        n_clips=int(table.loc[table["clip"] != "", "clip"].nunique()),
        n_groups=int(table.loc[table["group"] != table["path"], "group"].nunique()),
        classes={str(k): int(n) for k, n in table["label"].value_counts().items()},
        splits={str(k): int(splits[k]) for k in sorted(splits.index, key=natural_key)},
        example=str(Path(paths[0]).relative_to(root)),
        size=size,
        against=against,
        official=official,
        missing_classes=missing,
        apart=apart,
    )


def _against_published(adapter: Adapter, found: Counter[str]) -> tuple[int | None, int, float]:
    """Return the published number, how many published classes are missing, and how far apart the
    counts of classes are, relative to the published number."""
    published: Counter[str] = Counter()
    for of_split in adapter.counts.values():
        published.update({canonical(label): n for label, n in of_split.items()})
    if not published:
        return None, 0, 0.0
    total = published.total()
    apart = sum(abs(found[label] - published[label]) for label in {*found, *published}) / total
    return total, len(published.keys() - found.keys()), apart


def _unlike(adapter: Adapter, paths: list[str]) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Return the size of the pictures if they have one, and what they have otherwise than an
    adapter's. Pictures of the right names may have any size."""
    sample = paths[:: max(1, len(paths) // SAMPLE)]
    sizes = {size for path in sample[:: max(1, len(sample) // SIZED)] if (size := _size(path))}
    size = sizes.pop() if len(sizes) == 1 else None
    if not adapter.pictures:
        return size, ()
    ends = ["/".join(Path(path).parts[-2:]) for path in sample]
    strange = [end for end in ends if not re.search(adapter.pictures, end)]
    if 2 * len(strange) < len(ends) or (adapter.size and size == adapter.size):
        return size, ()
    against = [f"names such as {strange[0]} are none of its own"]
    if adapter.size and size:
        against.append(f"pictures are {by(size)}, not {by(adapter.size)}")
    return size, tuple(against)


def by(size: tuple[int, int]) -> str:
    """Return a size in words, as 48x48."""
    return f"{size[0]}x{size[1]}"


def _size(path: str) -> tuple[int, int] | None:
    """Return width and height of a picture, None for a part of a file and what cannot be read."""
    try:
        width, height, _ = look_at_header(path)
    except Exception:  # whatever a decoder raises: this picture says nothing
        return None
    return width, height
