"""manifest.csv: what became of each clip or photograph, and so what a second start may skip."""

import csv
import json
import threading
from pathlib import Path

from fewshot_fer.errors import ConfigError, RunError
from fewshot_fer.runs import Row, append_row, write_text

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
