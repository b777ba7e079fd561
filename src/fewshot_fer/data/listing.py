"""List folders: their images, folders and entries, whatever the case of a name."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from fewshot_fer.data.labels import plain_name
from fewshot_fer.system.errors import DataError

VIDEO_ENDINGS = (
    *(".avi", ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".mpg", ".mpeg", ".mpe", ".m2v"),
    *(".wmv", ".asf", ".flv", ".f4v", ".ogv", ".3gp", ".3g2", ".ts", ".mts", ".m2ts", ".vob"),
    *(".rm", ".dv", ".mxf", ".divx", ".mjpeg"),
)
"""Containers that FFmpeg reads, in the endings that they have: it has no list of its own."""
HIDDEN = ("thumbs.db", "desktop.ini", "__macosx")
SHOWN = 6  # entries of a folder that a message lists


@cache
def image_endings() -> tuple[str, ...]:
    """Return the endings of the formats that are read as pictures, as the installed Pillow has
    them."""
    from PIL import Image

    from fewshot_fer.data.decode import readable_formats

    readable = {*readable_formats(), "MPO"}  # a JPEG with another one behind it
    return tuple(e for e, name in Image.registered_extensions().items() if name in readable)


def images_in(
    folder: Path, endings: tuple[str, ...] | None = None, left_out: Counter[str] | None = None
) -> list[Path]:
    """Return the image files right in a folder, in natural order; hidden files do not count.

    endings: those of pictures by default; left_out: counts the endings of the other files. Raises
    DataError where the folder cannot be read.
    """
    names = image_names_in(folder, endings, left_out)
    return [folder / name for name in sorted(names, key=natural_key)]


def image_names_in(
    folder: Path, endings: tuple[str, ...] | None = None, left_out: Counter[str] | None = None
) -> list[str]:
    """Return the names of the image files right in a folder, in any order, as `images_in` does:
    of fifteen thousand, in a tenth of the time that their paths take."""
    endings = image_endings() if endings is None else endings
    files = [e for e in _entries(folder) if _holds(e.is_file)]
    names = [e.name for e in files if e.name.lower().endswith(endings)]
    if left_out is not None and len(names) < len(files):
        others = {e.name for e in files} - set(names)
        left_out.update(os.path.splitext(name)[1].lower() for name in others)  # noqa: PTH122
    return names


def walk_images(
    folder: Path, endings: tuple[str, ...] | None = None, left_out: Counter[str] | None = None
) -> list[Path]:
    """Return the files in a folder and below, as `images_in` does; links to folders are not
    followed."""
    below = [child for child in folders_in(folder) if not child.is_symlink()]
    found = images_in(folder, endings, left_out)
    return found + [file for child in below for file in walk_images(child, endings, left_out)]


def left_out_remarks(left_out: Counter[str], where: str | Path) -> list[str]:
    """Say how many files below a folder are left out since their endings are not read, if any."""
    if not left_out:
        return []
    counts = left_out.most_common()
    counted = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in counts)
    hints = ""
    if not left_out.keys().isdisjoint((".heic", ".heif", ".hif")):
        hints += "; .heic is read after pip install pillow-heif"
    if not left_out.keys().isdisjoint(VIDEO_ENDINGS):
        hints += "; frames of videos must be extracted first"
    return [
        f"{where}: {sum(left_out.values())} file(s) left out, as nothing installed reads their "
        f"endings: {counted}{hints}"
    ]


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


def possible_roots(data: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders in which a data set may lie: those right in `data` that have one of the
    names, and last `data` itself."""
    named = [root for name in names if (root := child(data, name)) and root.is_dir()]
    return [*dict.fromkeys(named), data]


def nested_roots(data: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders of `possible_roots`, before each those that lie in it under such a name.

    At any depth: archives unpack to fer2013/fer2013.
    """
    named = possible_roots(data, names)[:-1]
    within = [root for folder in named for root in nested_roots(folder, names)]
    return [*dict.fromkeys(within), data]


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


def as_on_disk(path: Path) -> Path:
    """Return a path that a person typed, in another Unicode form where it is only there in that."""
    if path.exists():
        return path
    other = NameForms().in_other_form(str(path.absolute()))
    return path if other is None else Path(other)


class NameForms:
    """Finds files whose names in a list are not written as on the disk.

    Lists of Windows have backslashes. macOS writes accents and Korean syllables in several
    characters (NFD), others in one (NFC).
    """

    def __init__(self) -> None:
        self.missing: list[str] = []
        self._in_folder: dict[str, dict[str, str]] = {}
        self._n_backslashes = self._n_forms = 0

    def find(self, path: str) -> str | None:
        """Return the path of a file as it is on the disk; None, and kept in `missing`, for none."""
        # os.path says no where Path raises, as for a name that is too long.
        if os.path.isfile(path):  # noqa: PTH113
            return path
        slashes = str(Path(path.replace("\\", "/")))
        found = slashes if os.path.isfile(slashes) else self.in_other_form(slashes)  # noqa: PTH113
        if found is None or not os.path.isfile(found):  # noqa: PTH113
            self.missing.append(path)
            return None
        self._n_backslashes += slashes != path
        self._n_forms += found != slashes
        return found

    def remarks(self) -> list[str]:
        """Say how many paths were found in another form than they are given."""
        said = []
        if self._n_backslashes:
            said.append(f"{self._n_backslashes} path(s) with backslashes read with slashes")
        if self._n_forms:
            said.append(f"{self._n_forms} path(s) found on the disk in another Unicode form")
        return said

    def in_other_form(self, path: str) -> str | None:
        """Return what lies at an absolute path but for its Unicode form, if anything does."""
        folder, name = os.path.split(path)
        if not name or path.isascii():
            return None
        within = folder if os.path.isdir(folder) else self.in_other_form(folder)  # noqa: PTH112
        if within is None:
            return None
        if within not in self._in_folder:
            self._in_folder[within] = _names_by_form(within)
        found = self._in_folder[within].get(plain_name(name))
        return None if found is None else os.path.join(within, found)  # noqa: PTH118


def _names_by_form(folder: str) -> dict[str, str]:
    try:
        return {plain_name(name): name for name in os.listdir(folder)}  # noqa: PTH208
    except OSError:
        return {}
