"""Identity of image files and of tables of them: what they hold, wherever they lie.

A file is known by its bytes. Size and time of change do not tell one picture from another: archives
unpack with constant times, and pictures can be equally large. Reading all files for each command
would be too slow, so a digest is remembered in the cache and taken again while size, mtime, ctime
and inode are what they were. Of these the ctime changes with every rewrite, whatever time is set.
Where inode or ctime are not stable, as on some network mounts, or after a copy, files are read
again, which costs time alone: what is named by content (packed images, kept embeddings, a run's
data) is found again wherever the files lie.
"""

import hashlib
import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.data.cache_folder import FORMAT, cache_folder
from fewshot_fer.data.picture_parts import file_of
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.errors import WriteError
from fewshot_fer.system.files import Row, atomic
from fewshot_fer.system.progress import tqdm

BYTES = 16  # of a digest
BLOCK = 64  # files that a thread reads in turn
STATES = 4096  # files whose state a thread looks at in turn
AT_ONCE = 8  # such threads: no faster on a disk of one's own, but on that of a network
RECENT = 2_000_000_000  # ns: a file changed that lately may change again within one tick of a clock
MASK = 2**63 - 1  # inodes of some systems have more bits than an integer of NumPy
NAMED = ("path", "label", "split", "group", "clip", "frame", "dataset")
Digests = NDArray[np.uint8]  # [N, BYTES]
States = NDArray[np.int64]  # [N, 5]: size, mtime, ctime, inode, and 1 for a regular file


def file_digests(paths: Sequence[str], cache: Path | None = None) -> Digests:
    """Return the digest [N, 16] of each file's bytes, remembered in the cache as described above.

    A file that is gone, cannot be read, or is no regular one has zeros: its decoding says what is
    wrong. Of a part of a file, see `picture_parts`, it is a digest of the file's and its name.
    """
    if any(file_of(path) != path for path in paths):
        files, places = _files_of(paths)
        return _digests_of_parts(file_digests(files, cache)[places], paths)
    named = hashlib.sha256("\0".join(paths).encode(errors="surrogateescape")).hexdigest()
    memory = (cache or cache_folder()) / "contents" / f"{named}.npz"
    now, states = time.time_ns(), file_states(paths)
    known = _remembered(memory, len(paths))
    if known is None:
        digests, changed = np.zeros((len(paths), BYTES), np.uint8), np.ones(len(paths), bool)
    else:
        digests, changed = known[1], (known[0] != states).any(axis=1)
    if changed.any():
        rows = np.flatnonzero(changed).tolist()
        digests[rows] = _read([paths[row] if states[row, 4] else "" for row in rows])
        lasting = np.where(states[:, 2:3] > now - RECENT, 0, states)
        _remember(memory, lasting, digests)
    return digests


@dataclass(frozen=True)
class Sources:
    """Pictures, what their files held, and the states of these before that was looked at."""

    paths: Sequence[str]
    states: States
    digests: Digests

    @classmethod
    def of(cls, paths: Sequence[str], cache: Path) -> "Sources":
        """Look at them now."""
        return cls(paths, file_states([*map(file_of, paths)]), file_digests(paths, cache))

    def unchanged(self, some: slice) -> bool:
        """Return whether the files of some of them still hold what they held."""
        paths = self.paths[some]
        states = file_states([*map(file_of, paths)])
        recent = states[:, 2] > time.time_ns() - RECENT
        doubtful = np.flatnonzero((states != self.states[some]).any(axis=1) | recent).tolist()
        if not doubtful:
            return True
        files, places = _files_of([paths[row] for row in doubtful])
        now = _digests_of_parts(_read(files)[places], [paths[row] for row in doubtful])
        return np.array_equal(now, self.digests[some][doubtful])


def pictures_digest(digests: Digests) -> str:
    """Return 16 hex digits of the contents of a table's files, in its order."""
    return hashlib.sha256(digests.tobytes()).hexdigest()[:16]


def pixels_digest(digests: Digests, image_size: int) -> str:
    """Return the digest of the pixels that files are decoded to, at a size in pixels a side."""
    named = f"{FORMAT} {image_size}".encode()
    return hashlib.sha256(named + digests.tobytes()).hexdigest()


def table_identity(table: pd.DataFrame) -> Row:
    """Return what a table holds, wherever its folder lies.

    images: how many; names: see `names_digest`; pictures: see `pictures_digest`.
    """
    digests = file_digests(table["path"].tolist())
    pictures = pictures_digest(digests)
    return {"images": len(table), "names": names_digest(table), "pictures": pictures}


def names_digest(table: pd.DataFrame) -> str:
    """Return 16 hex digits of the paths of a table's images below the folder that holds them all,
    of their labels, splits, groups, clips and frames."""
    paths = table["path"].tolist()
    base = len(os.path.commonpath({os.path.dirname(path) for path in paths}))  # noqa: PTH120
    own = table["group"] == table["path"]  # an image that is its own group
    below = table.assign(
        path=[path[base:].replace(os.sep, "/").lstrip("/") for path in paths],
        group=table["group"].where(~own, ""),
    )
    columns = [below[name].astype(str) for name in NAMED]
    text = "\n".join(map("\t".join, zip(*columns, strict=True)))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _files_of(paths: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct files that parts are of, and the place [N] of each path's among them."""
    files = [file_of(path) for path in paths]
    places = {file: place for place, file in enumerate(dict.fromkeys(files))}
    return list(places), np.array([places[file] for file in files], dtype=np.int64)


def _digests_of_parts(whole: Digests, paths: Sequence[str]) -> Digests:
    """Return the digests of parts of files. whole [N, 16]: of their files."""
    digests = whole.copy()
    for row, path in enumerate(paths):
        name = path[len(file_of(path)) :]
        if name and whole[row].any():
            own = hashlib.blake2b(whole[row].tobytes() + name.encode(), digest_size=BYTES)
            digests[row] = np.frombuffer(own.digest(), np.uint8)
    return digests


def file_states(paths: Sequence[str]) -> States:
    """Return size, mtime, ctime, inode, and 1 for a regular file [N, 5]; a size of -1 for none."""
    if len(paths) <= STATES:
        return _states(paths)
    blocks = [paths[start : start + STATES] for start in range(0, len(paths), STATES)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return np.concatenate(list(pool.map(_states, blocks)))


def _states(paths: Sequence[str]) -> States:
    states = []
    for path in paths:
        try:
            found = os.stat(path)  # noqa: PTH116 - a Path object a file costs as much as the stat
        except OSError:
            states.append((-1, 0, 0, 0, 0))
            continue
        regular = stat.S_ISREG(found.st_mode)
        inode = found.st_ino & MASK
        states.append((found.st_size, found.st_mtime_ns, found.st_ctime_ns, inode, regular))
    return np.array(states, dtype=np.int64).reshape(-1, 5)


def _read(paths: Sequence[str]) -> Digests:
    """Return the digests of files; zeros for "" and for what cannot be read."""
    blocks = [paths[start : start + BLOCK] for start in range(0, len(paths), BLOCK)]
    bar = tqdm(total=len(paths), desc="reading images", unit="image", disable=None, delay=2)
    found = []
    with bar, ThreadPoolExecutor(core_count()) as pool:  # disks of a network answer several at once
        for read in pool.map(lambda block: [_digest(path) for path in block], blocks):
            found += read
            bar.update(len(read))
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, BYTES)


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=BYTES)).digest()
    except OSError:
        return bytes(BYTES)


def _remembered(file: Path, count: int) -> tuple[States, Digests] | None:
    """Return the states and digests of so many files, None where they are not known."""
    try:
        with np.load(file, allow_pickle=False) as content:
            states, digests = content["states"], content["digests"]
    except Exception:  # a damaged file can look like anything; it is written anew
        return None
    shapes = (states.shape, digests.shape) == ((count, 5), (count, BYTES))
    return (states, digests) if shapes and digests.dtype == np.uint8 else None


def _remember(file: Path, states: States, digests: Digests) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic(file) as partial, partial.open("wb") as stream:
            np.savez(stream, states=states, digests=digests)
    except (OSError, WriteError):
        return  # the next command reads the files again; who needs the cache says what is wrong
