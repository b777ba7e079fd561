"""Data sets of clips with lists: any true copy of a layout gives the very same table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import EXTRAS, read, write_layout

NAMES = ("dfew", "ferv39k", "mafw", "mafw_multiple")
LISTS = (".csv", ".txt")
MOVED = ("", "one folder deeper", "the data set itself")


@dataclass(frozen=True)
class Copy:
    """How a copy differs: letters of names, order and ends of lines, extra files, where it lies."""

    case: Callable[[str], str]
    seed: int
    extras: list[str]
    moved: str

    def write(self, source: Path, target: Path) -> Path:
        """Write the copy of a data set's folder, pictures without content; return paths.data."""
        random = Random(self.seed)
        deeper = Path(source.name) if self.moved == MOVED[1] else Path()
        root = target / deeper / self.case(source.name)
        files = [path for path in source.rglob("*") if path.is_file()]
        random.shuffle(files)
        for path in files:
            new = root / self.case(path.relative_to(source).as_posix())
            new.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in LISTS:
                new.write_bytes(self._shuffled(path.read_text(), random))
            else:
                new.touch()
        folders = sorted(path for path in root.rglob("*") if path.is_dir())
        for extra in self.extras:
            (random.choice([root, *folders]) / extra).touch()
        return root if self.moved == MOVED[2] else target

    def _shuffled(self, text: str, random: Random) -> bytes:
        lines = text.splitlines()
        header = lines[:1] if lines[0].startswith("video_name") else []
        rows = lines[len(header) :]
        random.shuffle(rows)
        end = random.choice(["\n", "\r\n", "\n\n"])
        mark = random.choice(["", "\ufeff"])
        return (mark + end.join([*header, *rows]) + random.choice(["", end])).encode()


copies = st.builds(
    Copy,
    st.sampled_from([str, str.upper, str.lower, str.swapcase]),
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(EXTRAS), max_size=4),
    st.sampled_from(MOVED),
)


def rows_of(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return what a table says of every frame, but for where it lies, whatever the case."""
    columns = ["label", "split", "group", "clip", "frame"]
    ends = ["/".join(Path(path).parts[-2:]) for path in table["path"]]
    rows = table[columns].assign(end=ends).map(lambda cell: str(cell).casefold())
    return sorted(rows.itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The embedded layouts, plain pictures in them, by data set."""
    found = {}
    for name in NAMES:
        found[name] = write_layout(name, tmp_path_factory.mktemp(name), people=4)
    return found


@pytest.mark.parametrize("name", NAMES)
@given(copy=copies)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_true_copies_give_the_same_table(
    written: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    copy: Copy,
) -> None:
    source = written[name]
    data = copy.write(source, tmp_path_factory.mktemp("copy"))
    assert rows_of(read(name, data)) == rows_of(read(name, source))
