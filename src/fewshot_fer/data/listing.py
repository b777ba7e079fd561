"""List folders: their images, folders and entries, whatever the case of a name."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from fewshot_fer.system.errors import DataError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_ENDINGS = (".avi", ".mp4", ".mov", ".mkv")
HIDDEN = ("thumbs.db", "desktop.ini", "__macosx")
SHOWN = 6  # entries of a folder that a message lists


def images_in(folder: Path, endings: tuple[str, ...] = IMAGE_ENDINGS) -> list[Path]:
    """Return the image files right in a folder, in natural order; hidden files do not count.

    Raises DataError where the folder cannot be read.
    """
    return [folder / name for name in sorted(image_names_in(folder, endings), key=natural_key)]


def image_names_in(folder: Path, endings: tuple[str, ...] = IMAGE_ENDINGS) -> list[str]:
    """Return the names of the image files right in a folder, in any order, as `images_in` does:
    of fifteen thousand, in a tenth of the time that their paths take."""
    entries = [e for e in _entries(folder) if e.name.lower().endswith(endings)]
    return [e.name for e in entries if _holds(e.is_file)]


def folders_in(folder: Path) -> list[Path]:
    """Return the folders right in a folder, in natural order; hidden ones do not count.

    Raises DataError where the folder cannot be read.
    """
    names = [e.name for e in _entries(folder) if _holds(e.is_dir)]
    return [folder / name for name in sorted(names, key=natural_key)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [
                e for e in entries if not e.name.startswith(".") and e.name.lower() not in HIDDEN
            ]
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be read: {error.strerror or error}") from error


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link that leads to itself is neither a file nor a folder
        return False


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts numbers within names by value: frame 9 before frame 10.

    >>> sorted(["out-10.jpg", "out-9.jpg"], key=natural_key)
    ['out-9.jpg', 'out-10.jpg']
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def child(folder: Path, *names: str) -> Path | None:
    """Return the entry of a folder that has one of the names, whatever its case; else None.

    The first name that is there wins.
    """
    wanted = {name.casefold(): place for place, name in reversed(list(enumerate(names)))}
    try:
        with os.scandir(folder) as entries:
            found = [e.name for e in entries if e.name.casefold() in wanted]
    except OSError:
        return None
    if not found:
        return None
    return folder / min(found, key=lambda name: (wanted[name.casefold()], name))


def contents(folder: Path) -> str:
    """Say in a few words what lies in a folder."""
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "a file, not a folder"
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        return error.strerror or "cannot be read"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more if names else "nothing"


def require_below(path: str, folder: Path, where: str) -> None:
    """Raise DataError where a name in a list, at `where`, leads out of the folder of the list.

    Names alone count, so `..` and absolute names; where links lead is their owner's choice.
    """
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        raise DataError(
            f"{where}: {path} lies outside of {folder}: give a folder that holds all of the list's "
            f"files with dataset.root= (or eval.dataset.root=)"
        )
