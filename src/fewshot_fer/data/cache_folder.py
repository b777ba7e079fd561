"""The cache folder: packed images and the set of drawn faces, which can be made again."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fewshot_fer.system.errors import DataError, WriteError

FORMAT = 3  # counts up whenever the same files would give other pixels
VARIABLE = "FEWSHOT_FER_CACHE"


def cache_folder() -> Path:
    """Return $FEWSHOT_FER_CACHE or, without it, fewshot_fer in the user's cache folder.

    That is ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows, else $XDG_CACHE_HOME or ~/.cache.
    Raises DataError where there is no home folder, as in a container for a user without an entry in
    its list of users. It does not fall back to a temporary folder: what lies there is another's to
    write or gone the next time, and of that nobody would know.
    """
    try:
        chosen = os.environ.get(VARIABLE)
        return Path(chosen).expanduser().absolute() if chosen else _users_caches() / "fewshot_fer"
    except RuntimeError as error:  # pathlib's, of a home folder
        raise DataError(
            f"no home folder is known for the cache: name a folder with the variable {VARIABLE}"
        ) from error


def _users_caches() -> Path:
    """Return the folder of all programs' caches. Raises RuntimeError without a home folder."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    given = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return given if given.is_absolute() else Path.home() / ".cache"  # as its standard has it


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
