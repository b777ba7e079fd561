"""Shards: several commands, here or on other machines, that prepare one folder together.

A source falls to a shard by its name alone, so that none is done twice, whatever is added beside
it. A shard keeps its rows in out/.shards/<shard>of<shards>/manifest.csv, a folder that it holds
while it works, and moves them to the folder's own manifest.csv when it ends.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from fewshot_fer.data.faces.manifest import MANIFEST, move_rows
from fewshot_fer.system.locks import locked, own_folder

PARTS = ".shards"  # hidden: no data set's reader takes it for a class


def shard_of(source: str, shards: int) -> int:
    """Return the shard that a source falls to, by its path below the folder that is read.

    Of 10,000 in 8 shards the largest has some 4 % more than an eighth.
    """
    digest = hashlib.sha256(Path(source).as_posix().encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % shards


def part_folder(out: Path, shards: int, shard: int) -> Path:
    """Return the folder that a shard holds."""
    return out / PARTS / f"{shard}of{shards}"


@contextlib.contextmanager
def own_share(out: Path, shards: int, shard: int | None) -> Iterator[None]:
    """Hold what a command prepares: all of `out`, or a shard of it.

    Rows that are left of killed shards, of another number of them, are moved to the folder's
    manifest. Raises RunError that names the process where another one works on the same: on the
    whole folder, on this shard, or on a shard of another number of them.
    """
    if shard is None:
        with own_folder(out):
            _take_over(out, _parts(out))
            _remove_if_empty(out / PARTS)
            yield
        return
    own = part_folder(out, shards, shard)
    with own_folder(own):
        with turn(out), own_folder(out):
            _take_over(out, [part for part in _parts(out) if not part.match(f"*of{shards}")])
        yield
    _remove_if_empty(own)
    _remove_if_empty(out / PARTS)


def _parts(out: Path) -> list[Path]:
    return sorted((out / PARTS).glob("*of*"))


def _take_over(out: Path, parts: list[Path]) -> None:
    """Move the rows of shards to the folder's manifest. Raises RunError where one is at work."""
    for part in parts:
        with own_folder(part):
            move_rows(part / MANIFEST, out / MANIFEST)
        _remove_if_empty(part)


@contextlib.contextmanager
def turn(out: Path) -> Iterator[None]:
    """Let one shard at a time write what they all share."""
    file = out / PARTS / "manifest.lock"
    with locked(file):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.unlink()  # while it is held: who waits for it looks for a new one


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not empty, or not there
        folder.rmdir()
