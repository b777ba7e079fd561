"""manifest.csv: what became of each clip or photograph, and so what a second start may skip.

Names of what is written, so that no two sources ever write to one place.
"""

import csv
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fewshot_fer.system.errors import ConfigError, RunError
from fewshot_fer.system.files import Row, append_row, write_text

COLUMNS = (
    "source",  # path below the folder that was read
    "bytes",  # of the source: another size is another file
    "target",  # path below the folder that was written
    "status",  # ok, no_face, truncated, unreadable
    "frames",  # looked at
    "faces",  # frames with any face; of a photograph, the faces in it
    "kept",  # aligned faces written
    "no_face",  # frames dropped since they show none
    "other_face",  # frames dropped since they show only somebody else
    "no_face_frames",  # which, as numbers of the files written
    "other_face_frames",
    "reason",
)


class Manifest:
    """The rows so far. Raises ConfigError if the folder was prepared with other settings."""

    def __init__(self, out: Path, settings: dict[str, object]) -> None:
        self.path = out / "manifest.csv"
        self.rows: dict[str, Row] = {}
        self._lock = threading.Lock()
        _remember(out / "prepare.json", settings)
        if self.path.is_file():
            self.rows = {row["source"]: row for row in _read(self.path)}

    def target(self, source: str) -> Path | None:
        """Return what a source became at an earlier start."""
        return Path(self.rows[source]["target"]) if source in self.rows else None

    def done(self, source: str, size: int, target: Path) -> bool:
        """Tell whether a source of so many bytes became `target`, and that is still there."""
        row = self.rows.get(source)
        if row is None or row["bytes"] != str(size) or row["target"] != str(target):
            return False
        nothing_to_find = bool(row["kept"] == "0")
        return nothing_to_find or (self.path.parent / row["target"]).exists()

    def add(self, row: Row) -> None:
        """Append a row at once, so that a run that is killed loses none."""
        with self._lock:
            self.rows[row["source"]] = {key: str(row[key]) for key in COLUMNS}
            append_row(self.path, COLUMNS, row)

    def finish(self, sources: list[str]) -> list[Row]:
        """Write the rows of these sources in order, without those that were dealt with twice."""
        rows = [self.rows[source] for source in sources if source in self.rows]
        lines = [",".join(COLUMNS)]
        lines += [",".join(_quoted(row[column]) for column in COLUMNS) for row in rows]
        write_text(self.path, "\n".join(lines) + "\n")
        return rows


def _remember(path: Path, settings: dict[str, object]) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else settings
    except (ValueError, OSError) as error:
        raise RunError(f"{path} is damaged: remove it and what lies beside it") from error
    if before != settings:
        changed = ", ".join(f"{key}={before.get(key)}" for key in settings)
        raise ConfigError(f"{path.parent} was prepared with {changed}: give another out=")
    write_text(path, json.dumps(settings) + "\n")


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[Row] = list(csv.DictReader(file))
    return [row for row in rows if all(isinstance(row.get(key), str) for key in COLUMNS)]


def _quoted(value: str) -> str:
    if any(character in value for character in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


_NUMBER = re.compile(r"_(?:[2-9]|[1-9][0-9]+)$")  # behind the name for a further face


class _Taken:
    """Names that are given away; numbered: each with those of its further faces, `name_2` on."""

    def __init__(self, numbered: bool) -> None:
        self.numbered = numbered
        self._names: set[str] = set()
        self._roots: set[str] = set()  # of names that end as further faces do, the part before

    def add(self, name: Path) -> None:
        self._names.add(_key(name))
        if (root := _root(name)) is not None:
            self._roots.add(root)

    def has(self, name: Path) -> bool:
        """Tell whether a file of this name, or of a further face, would be somebody else's."""
        if _key(name) in self._names:
            return True
        return self.numbered and (_root(name) in self._names or _key(name) in self._roots)


def unshared_names(
    files: Sequence[Path], before: Sequence[Path | None], numbered: bool = False
) -> list[Path]:
    """Return a name without an ending for each file, in its folder.

    A file keeps the name that it had `before`. Others get their own without the ending or, where
    that would be another's too (a.png beside a.jpg), their whole name. numbered: further faces of
    a.jpg are called a_2, so a file a_2.jpg gets its whole name as well. Upper and lower case count
    as one, as on some disks.
    """
    taken, names = _Taken(numbered), dict[Path, Path]()
    plain = Counter(_key(file.with_suffix("")) for file in files)
    for file, old in zip(files, before, strict=True):
        if old in (file, file.with_suffix("")) and not taken.has(old):
            names[file] = old
            taken.add(old)
    for file in files:
        name = file.with_suffix("")
        alone = plain[_key(name)] == 1 and not (numbered and _root(name) in plain)
        if file not in names and alone and not taken.has(name):
            names[file] = name
            taken.add(name)
    for file in files:
        if file not in names:
            wholes = (file.with_name(file.name + "~" * count) for count in itertools.count())
            names[file] = next(whole for whole in wholes if not taken.has(whole))
            taken.add(names[file])
    return [names[file] for file in files]


def _key(name: Path) -> str:
    return str(name).casefold()


def _root(name: Path) -> str | None:
    """Return the name whose further face would be called so, None where there is none."""
    key = _key(name)
    return _NUMBER.sub("", key) if _NUMBER.search(key) else None
