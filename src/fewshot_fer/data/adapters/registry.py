"""Registry of data sets: read by name, with the layout and the counts that are published of each.

@register_adapter("folder", layout="<class>/*.jpg or <class>/<subject or clip>/*.jpg below it")
def read_folder(root: Path) -> pd.DataFrame: ...
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd
from PIL import Image

from fewshot_fer.config.names import register_name
from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.listing import contents
from fewshot_fer.system.errors import ConfigError, NotThereError

Read = TypeVar("Read", bound=Callable[..., pd.DataFrame])
_ADAPTERS: dict[str, "Adapter"] = {}


class Portrait(NamedTuple):
    """A drawn picture of a person, or a clip. n_frames: 0 for a single picture; take: tells
    pictures of the same person with the same expression apart."""

    label: str
    person: int
    n_frames: int = 0
    take: int = 0


@dataclass(frozen=True)
class DrawnSet:
    """What adapters write small examples of their layouts from, for tests and trials.

    root: the folder of the drawn set, with RAF-DB/ and AFEW/; people: how many there should be in
    each split, every one with each class; draw: the pictures of each portrait, RGB, a function of
    the portrait alone, so that two layouts may hold the same ones.
    """

    root: Path
    people: int
    draw: Callable[[Sequence[Portrait]], list[list[Image.Image]]]


@dataclass(frozen=True)
class Adapter:
    """A data set by the name that `dataset.adapter` gives it.

    function: from the folder that is searched to the FaceTable of all splits; where it has a
    parameter `settings`, the data set's settings are given as well. layout: the files that show
    where it lies, for messages. counts: split -> class -> number as published, the split `all` for
    all splits together; unit: images or clips; differs: why the numbers found may be others.
    write: from a new folder to its layout with drawn faces; home: how that folder is called beside
    RAF-DB/ and AFEW/, one that `function` finds.
    """

    name: str
    function: Callable[..., pd.DataFrame]
    layout: str
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unit: str = "images"
    differs: str = "the copy may be incomplete, augmented or re-packed"
    write: Callable[[Path, DrawnSet], None] | None = None
    home: str = ""

    def read(self, folder: Path, settings: DatasetConfig) -> pd.DataFrame:
        """Return the FaceTable of all splits. Raises DataError where the files are not right."""
        if "settings" in inspect.signature(self.function).parameters:
            return self.function(folder, settings=settings)
        return self.function(folder)

    def not_found(self, folder: Path, nearest: Path | None = None) -> NotThereError:
        """Return the error for a data set that does not lie in the folder that was searched.

        nearest: the folder within that comes closest, whose contents are shown in its place.
        """
        within = f"in {nearest}: " if nearest not in (None, folder) else ""
        return NotThereError(
            f"{self.name} not found in {folder}: expected {self.layout}; found {within}"
            f"{contents(nearest or folder)}. "
            f"Set paths.data=/where/the/data/lie, or run with paths=demo, which needs no data"
        )

    @property
    def n_images(self) -> int | None:
        """The number of all images as published, None where images are not counted."""
        if not self.counts or self.unit != "images":
            return None
        return sum(sum(of_split.values()) for of_split in self.counts.values())


def register_adapter(name: str, layout: str, **known: Any) -> Callable[[Read], Read]:  # noqa: ANN401
    """Return a decorator that registers a reading function. known: fields of Adapter."""

    def register(function: Read) -> Read:
        _ADAPTERS[name] = Adapter(name, function, layout, **known)
        register_name("dataset", name)
        return function

    return register


def find_adapter(name: str) -> Adapter:
    """Return what is registered under a name. Raises ConfigError for an unknown one."""
    if name not in _ADAPTERS:
        raise ConfigError(f"dataset.adapter={name} is not known: {', '.join(_ADAPTERS)} are")
    return _ADAPTERS[name]


def adapter_names() -> tuple[str, ...]:
    """Return the names of all adapters whose modules are imported."""
    return tuple(_ADAPTERS)
