"""manifest.csv: what became of each clip or photograph, and so what a second start may skip."""

import csv
import json
import threading
from pathlib import Path

from fewshot_fer.system.errors import ConfigError, RunError
from fewshot_fer.system.files import Row, append_row, atomic, write_text

MANIFEST = "manifest.csv"
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
    "digest",  # of the source's content; empty in manifests of earlier versions
)


class Manifest:
    """The rows so far. Raises ConfigError if the folder was prepared with other settings.

    rows: by source, every value as text. part: where a shard keeps its rows until it ends.
    """

    def __init__(self, out: Path, settings: dict[str, object], part: Path | None = None) -> None:
        self.path = out / MANIFEST
        self._part = part
        self._lock = threading.Lock()
        _remember(out / "prepare.json", settings)
        self.rows = read_rows(self.path)
        if part is not None:
            self.rows |= read_rows(part)

    def done(self, source: str, size: int, target: Path, digest: str = "") -> bool:
        """Return whether a source of so many bytes became `target`, and that is still there.

        digest: of its content, compared where the manifest knows one. Raises ConfigError where it
        became something else, as earlier versions named it.
        """
        row = self.rows.get(source)
        if row is None:
            return False
        if row["target"] != str(target):
            raise ConfigError(
                f"{self.path.parent} holds {source} as {row['target']}, now it would be {target}: "
                f"give another out="
            )
        there = row["kept"] == "0" or (self.path.parent / target).exists()
        same = row["bytes"] == str(size) and row["digest"] in ("", digest)
        return bool(same and there)

    def add(self, row: Row) -> None:
        """Append a row at once, so that a run that is killed loses none."""
        with self._lock:
            self.rows[row["source"]] = {key: str(row[key]) for key in COLUMNS}
            append_row(self._part or self.path, COLUMNS, row)

    def finish(self, sources: list[str]) -> list[Row]:
        """Write the rows of these sources in order, one each, and return them.

        A shard's join those that others have written meanwhile, and it holds their turn.
        """
        if self._part is None:
            rows = {source: self.rows[source] for source in sources if source in self.rows}
        else:
            every = read_rows(self.path) | read_rows(self._part)
            rows = {source: every[source] for source in sources if source in every}
            rows |= every  # of files that came later than this shard began
        _write(self.path, rows)
        if self._part is not None:
            self._part.unlink(missing_ok=True)
        self.rows = rows
        return [rows[source] for source in sources if source in rows]


def read_rows(file: Path) -> dict[str, Row]:
    """Return the whole rows of a manifest by their source, none where there is no file."""
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        rows: list[Row] = list(csv.DictReader(stream))
    earlier = COLUMNS[:-1]  # without the digest
    whole = (row for row in rows if all(isinstance(row.get(c), str) for c in earlier))
    return {row["source"]: {c: row.get(c) or "" for c in COLUMNS} for row in whole}


def move_rows(part: Path, file: Path) -> None:
    """Move the rows of a killed shard's part to a manifest."""
    if rows := read_rows(part):
        _write(file, read_rows(file) | rows)
    part.unlink(missing_ok=True)


def _write(file: Path, rows: dict[str, Row]) -> None:
    with atomic(file) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def _remember(path: Path, settings: dict[str, object]) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else settings
    except (ValueError, OSError) as error:
        raise RunError(f"{path} is damaged: remove it and what lies beside it") from error
    if before != settings:
        changed = ", ".join(f"{key}={before.get(key)}" for key in {**settings, **before})
        raise ConfigError(f"{path.parent} was prepared with {changed}: give another out=")
    write_text(path, json.dumps(settings) + "\n")
