"""The cache folder: packed images and the set of drawn faces, which can be made again."""

import contextlib
import hashlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from fewshot_fer.system.errors import DataError, WriteError

FORMAT = 3  # counts up whenever the same files would give other pixels
VARIABLE = "FEWSHOT_FER_CACHE"
PATIENCE = 0.1  # seconds of waiting without a message
log = logging.getLogger("fewshot_fer")


def cache_folder() -> Path:
    """Return $FEWSHOT_FER_CACHE or, without it, fewshot_fer in the user's cache folder.

    That is ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows, else $XDG_CACHE_HOME or ~/.cache.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fewshot_fer"


def files_fingerprint(paths: list[str], image_size: int) -> str:
    """Return what changes with any of the files or the size. Raises DataError where one is gone."""
    digest = hashlib.sha256(f"{FORMAT} {image_size}".encode())
    for path in paths:
        try:
            state = os.stat(path)  # noqa: PTH116 - a Path object a file costs as much as the stat
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        digest.update(
            f"\0{path}\0{state.st_size}\0{state.st_mtime_ns}".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


@contextlib.contextmanager
def writing_cache(what: str, folder: Path) -> Iterator[None]:
    """Turn an error of writing below `folder` into a DataError that names the variable."""
    try:
        yield
    except (OSError, WriteError) as error:
        reason = getattr(error.__cause__ or error, "strerror", None) or error
        raise DataError(
            f"cannot write {what} to {folder}: {reason}; name another folder with the variable "
            f"{VARIABLE}"
        ) from error


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock `file`, which is made if need be; wait, with a line, while another holds it.

    The system gives it back when its holder ends, however that ends. On a file system without locks
    nothing is held: then the same work may be done twice, and the last to finish counts.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            log.info("waiting for another process that makes %s", file.stem)
            lock.acquire()
    except NotImplementedError:  # as filelock reports such a file system
        yield
        return
    try:
        yield
    finally:
        lock.release()
