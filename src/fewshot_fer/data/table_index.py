"""Index of a large data set: its FaceTable in the cache, as long as no folder of it has changed.

To list a million frames takes a dozen seconds on a fast disk and minutes on a slow one. What an
adapter returns follows from the folders that it lists and the files that it opens, of which Python
tells (`sys.addaudithook`), so that none can be forgotten. The index keeps the state of all of them,
and of the folders that hold the images: mtime, ctime and inode change wherever a name is added,
removed or changed in a folder, whatever time is set afterwards. It holds names alone. What a file
holds is looked at by `fingerprint`, file by file, with an index or without.

Not kept: tables of adapters outside of the package, which may read anything, and of folders that
changed in the last seconds or that have no such times. `check` lists all anew.
"""

import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.data.cache_folder import cache_folder
from fewshot_fer.data.fingerprint import RECENT, States, file_states
from fewshot_fer.data.listing import image_endings
from fewshot_fer.system.errors import WriteError
from fewshot_fer.system.files import atomic

FORMAT = 1
TABLES = "tables"  # folder of the cache
LEAST = 20_000  # images from which on an index is faster than listing their folders
LISTED = ("open", "os.listdir", "os.scandir")  # audit events whose first argument is a place
KINDS = ("object", "str", "int64")  # of columns
Arrays = dict[str, NDArray[Any]]
log = logging.getLogger("fewshot_fer")
OF_SYSTEM = ("/proc/", "/sys/", "/dev/")  # what a library may look at, and no data set
_WATCHING: list[set[str]] = []


def indexed_table(
    name: str, read: Callable[[], pd.DataFrame], trusted: bool = True
) -> pd.DataFrame:
    """Return the table of `read`, from its index where that is there and holds.

    name: what tells it from other tables, its folder and settings; trusted: whether an index is
    looked at: one is written anyway. What was logged while it was read is logged again.
    """
    named = f"{FORMAT} {_code_digest()} {image_endings()} {name}"
    digest = hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()
    file = cache_folder() / TABLES / f"{digest}.npz"
    table = _open(file) if trusted else None
    if table is not None:
        return table
    began = time.time_ns()
    with _watching() as places, _noting() as said:
        table = read()
    if len(table) >= LEAST:
        _keep(file, table, places, said, began)
    return table


@cache
def _code_digest() -> str:
    """Return the digest of the code that makes tables."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _install_hook() -> None:
    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if _WATCHING and event in LISTED and isinstance(arguments[0], str | os.PathLike):
            place = os.path.abspath(os.fspath(arguments[0]))  # noqa: PTH100 - many times
            for places in _WATCHING:
                places.add(place)

    sys.addaudithook(note)


@contextmanager
def _watching() -> Iterator[set[str]]:
    """Yield the set of all places that are listed or opened within the block, in any thread."""
    _install_hook()
    places = set[str]()
    _WATCHING.append(places)
    try:
        yield places
    finally:
        _WATCHING.pop()


@contextmanager
def _noting() -> Iterator[list[tuple[int, str]]]:
    """Yield the list of what is logged within the block: level and message."""
    said: list[tuple[int, str]] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append((record.levelno, record.getMessage()))

    notes = Notes()
    log.addHandler(notes)
    try:
        yield said
    finally:
        log.removeHandler(notes)


def _keep(
    file: Path, table: pd.DataFrame, places: set[str], said: list[tuple[int, str]], began: int
) -> None:
    """Write an index, unless something in it is no plain text or number, or just changed."""
    watched, states = _watched(table, places)
    kinds = [str(kind) for kind in table.dtypes]
    lasting = (states[:, 2] < began - RECENT).all() and (states[:, 1:4] != 0).all()
    if not (lasting and set(kinds) <= set(KINDS) and isinstance(table.index, pd.RangeIndex)):
        return
    facts = {"attrs": table.attrs, "said": said, "columns": list(table.columns), "kinds": kinds}
    try:
        text = json.dumps(facts)
        content = _columns(table)
    except TypeError:
        return
    if json.loads(text)["attrs"] != table.attrs:
        return
    content |= _packed("watched", watched) | {"states": states, "facts": _bytes(text)}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic(file) as partial, partial.open("wb") as stream:
            np.savez(stream, **content)  # type: ignore[arg-type]
    except (OSError, WriteError):
        return  # the next command lists the folders again


def _watched(table: pd.DataFrame, places: set[str]) -> tuple[list[str], States]:
    """Return what a table follows from, and the states of that.

    Of files, and of what was not there, also the folders in which they were looked for.
    """
    folders = {os.path.dirname(path) for path in table["path"]}  # noqa: PTH120 - many times
    ours = str(cache_folder() / TABLES)  # what a table within this one was opened by
    places = {place for place in places if not place.startswith((*OF_SYSTEM, ours))}
    others = (place for place in places if not os.path.isdir(place))  # noqa: PTH112
    above = {os.path.dirname(place) for place in others}  # noqa: PTH120
    watched = sorted(places | folders | above)
    states = file_states(watched)
    there = states[:, 0] >= 0
    return [place for place, kept in zip(watched, there, strict=True) if kept], states[there]


def _columns(table: pd.DataFrame) -> Arrays:
    """Return the columns of a table. Raises TypeError for one that is neither text nor numbers."""
    folders, names = zip(*map(os.path.split, table["path"]), strict=True)
    content = _coded("folders", pd.Series(folders)) | _coded("names", pd.Series(names))
    for name in table.columns.drop("path"):
        values = table[name]
        if values.dtype == np.int64:
            content[f"{name}.numbers"] = values.to_numpy()
        else:
            content |= _coded(name, values)
    return content


def _open(file: Path) -> pd.DataFrame | None:
    """Return the table of an index, None where there is none, or where a place has changed."""
    try:
        with np.load(file, allow_pickle=False) as content:
            arrays = dict(content)
        watched: States = arrays["states"]
        if not np.array_equal(file_states(_unpacked("watched", arrays)), watched):
            return None
        facts = json.loads(arrays["facts"].tobytes())
        columns = {
            column: pd.Series(_column(column, arrays), dtype=kind)
            for column, kind in zip(facts["columns"], facts["kinds"], strict=True)
        }
    except Exception:  # a damaged file can look like anything; it is written anew
        return None
    for places in _WATCHING:  # of a table that is made of several
        places.update(_unpacked("watched", arrays))
    table = pd.DataFrame(columns)
    table.attrs = facts["attrs"]
    for level, message in facts["said"]:
        log.log(level, "%s", message)
    return table


def _column(name: str, arrays: Arrays) -> NDArray[Any]:
    if name == "path":
        paths: NDArray[Any] = _decoded("folders", arrays) + os.sep + _decoded("names", arrays)
        return paths
    numbers = arrays.get(f"{name}.numbers")
    return _decoded(name, arrays) if numbers is None else numbers


def _coded(name: str, values: pd.Series) -> Arrays:
    """Return texts as distinct ones and the place of each among them.

    Raises TypeError for other values.
    """
    codes, distinct = pd.factorize(values)
    return _packed(name, list(distinct)) | {f"{name}.codes": codes.astype(np.int32)}


def _decoded(name: str, arrays: Arrays) -> NDArray[np.object_]:
    texts = np.array(_unpacked(name, arrays), dtype=object)
    decoded: NDArray[np.object_] = texts[arrays[f"{name}.codes"]]
    return decoded


def _packed(name: str, texts: list[str]) -> Arrays:
    """Return texts, which hold no NUL, as bytes: read in a tenth of the time of NumPy's texts."""
    return {f"{name}.texts": _bytes("\0".join(texts))}


def _unpacked(name: str, arrays: Arrays) -> list[str]:
    return arrays[f"{name}.texts"].tobytes().decode(errors="surrogateescape").split("\0")


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(errors="surrogateescape"), np.uint8)
