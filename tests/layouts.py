"""Layouts of data sets with plain pictures, and the same as copies in the wild have them."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pandas as pd
from hypothesis import strategies as st
from PIL import Image

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter

EXTRAS = ("Thumbs.db", ".DS_Store", "readme.txt", "ReadMe.md", "notes.csv", "._hidden.png")


def plain_pictures(portraits: Sequence[Portrait]) -> list[list[Image.Image]]:
    """Return pictures of one colour each, in the place of drawn faces: a tenth of the time."""
    return [
        [
            Image.new("RGB", (16, 16), (len(portrait.label), portrait.person % 256, frame))
            for frame in range(portrait.n_frames or 1)
        ]
        for portrait in portraits
    ]


def write_layout(name: str, data: Path, people: int = 6) -> Path:
    """Write the embedded layout of a data set into `data`; return its folder."""
    adapter = find_adapter(name)
    assert adapter.write is not None
    folder = data / adapter.home
    folder.mkdir(parents=True)
    adapter.write(folder, DrawnSet(data, people, plain_pictures))
    return folder


def read(name: str, data: Path) -> pd.DataFrame:
    """Return what a data set's adapter reads in a folder."""
    return find_adapter(name).read(data, DatasetConfig(adapter=name))


@dataclass(frozen=True)
class Copy:
    """How a copy of a layout differs: letters of all names, orders, files that are extra."""

    case: Callable[[str], str]
    seed: int
    extras: list[str]

    def write(self, source: Path, target: Path) -> Path:
        """Write the copy of `source`, pictures without content; return the folder of all."""
        random = Random(self.seed)
        root = target / self.case(source.name)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        random.shuffle(files)
        for path in files:
            new = root / self.case(path.relative_to(source).as_posix())
            new.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix != ".txt":
                new.touch()
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            random.shuffle(lines)
            new.write_bytes(random.choice(["\n", "\r\n"]).join(lines).encode())
        folders = sorted(path for path in root.rglob("*") if path.is_dir())
        for extra in self.extras:
            (random.choice([root, *folders]) / extra).touch()
        return target


copies = st.builds(
    Copy,
    st.sampled_from([str, str.upper, str.lower, str.swapcase]),
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(EXTRAS), max_size=4),
)


def facts(table: pd.DataFrame, folder: Path) -> list[tuple[object, ...]]:
    """Return the rows of a table with paths below `folder`, in lower case and sorted."""
    below = table.assign(path=[Path(path).relative_to(folder).as_posix() for path in table["path"]])
    columns = ["path", "label", "split", "group", "clip", "frame"]
    rows = below.assign(group=[_below(group, folder) for group in table["group"]])[columns]
    return sorted(
        tuple(cell.casefold() if isinstance(cell, str) else cell for cell in row)
        for row in rows.itertuples(index=False, name=None)
    )


def _below(group: str, folder: Path) -> str:
    return group.removeprefix(str(folder) + "/")


def nested(folder: Path) -> None:
    """Move what a folder holds into a folder of its own name, as some archives unpack."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    shutil.move(aside, folder / folder.name)
