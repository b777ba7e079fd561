"""Files that are whole or not there: text, rows of CSV tables, and YAML from strangers."""

import contextlib
import csv
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fewshot_fer.system.errors import WriteError

Row = dict[str, Any]  # of a table: column -> value

LARGEST = 1_000_000  # bytes of a YAML file; the longest of a run has some ten thousand
DEEPEST = 50  # levels, where that configuration has six
OPENING = (
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that takes the place of `path` once the block has ended.

    Whoever looks at `path` finds the old file or the whole new one, never half of it; a block that
    fails leaves the old one. What the block writes must be closed by its end. Raises WriteError
    that names `path` where the system cannot write it.
    """
    partial = _partial(path)
    with writing(path):
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to `path` once the block has ended.

    Of several that are made at once the first to be finished stays. Raises WriteError.
    """
    partial = _partial(path)
    with writing(path):
        try:
            partial.mkdir(parents=True)
            yield partial
            if not path.is_dir():
                partial.rename(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _partial(path: Path) -> Path:
    """Return a name beside `path` that no other process takes, of at most 255 bytes."""
    name = os.fsencode(path.name)[:220].decode(errors="ignore")
    return path.with_name(f".{name}.{os.getpid()}.{secrets.token_hex(4)}")


@contextlib.contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Yield a temporary folder, removed with all in it at the end. Raises WriteError."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=f"fewshot_fer_{name}_")
    except OSError as error:
        raise WriteError(
            f"no temporary folder can be made: {error.strerror}; name one that can be written "
            f"with the variable TMPDIR"
        ) from error
    with folder as path:
        yield Path(path)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's error where a file cannot be written into a WriteError that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise WriteError(f"cannot write {path}: {reason}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file that is whole or not there. Raises WriteError."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def append_row(path: Path, columns: tuple[str, ...], row: Row) -> None:
    """Append a row to a CSV file, with a header if it is new, and push it to the disk."""
    new = not path.exists()
    with writing(path), path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerow([_cell(row.get(column, "")) for column in columns])
        file.flush()
        os.fsync(file.fileno())


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value


def plain_row(row: Row) -> Row:
    """Return a row with Python's own numbers in the place of NumPy's, as checkpoints hold them."""
    return {key: getattr(value, "item", lambda value=value: value)() for key, value in row.items()}


def read_yaml_text(path: Path) -> str:
    """Return the text of a YAML file that may be a stranger's, for a parser of plain values.

    Raises OSError, UnicodeDecodeError or yaml.YAMLError, and ValueError where the file is too large
    or too deep, or repeats a part of itself: a few lines of `*a` can stand for more than any memory
    holds.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST:,} bytes")
    text, depth = path.read_text(encoding="utf-8-sig"), 0
    for token in yaml.scan(text):  # token by token, so that it ends where a limit is met
        line = token.start_mark.line + 1
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > DEEPEST:
            raise ValueError(f"line {line} lies more than {DEEPEST} levels deep")
        if isinstance(token, yaml.AliasToken):
            raise ValueError(f"line {line} repeats a part of the file (*)")
    return text
