"""A data set's folder as a border: what leads out of it, by a link, `..` or an absolute name."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from fewshot_fer.system.errors import DataError

ALLOW = "allow it with dataset.outside=true (eval.dataset.outside=true, test.dataset.outside=true)"
MANY = 50  # files of a folder; to list it for fewer could take longer than to look at them


class Confines:
    """A folder, which may be a link itself, and whether a path stays in it.

    Every folder within is resolved once, and a file only where it is a link. A folder of many files
    that are asked for is listed, and where it has no link they need not be looked at one by one:
    fifteen thousand then cost some hundredths of a second.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._real = os.path.realpath(self.root)
        self._below: dict[str, bool] = {}
        self._asked: Counter[str] = Counter()
        self._plain: set[str] = set()  # folders within that are free of links

    def hold(self, path: str) -> bool:
        """Tell whether an absolute path stays in the folder, wherever links lead."""
        folder = os.path.dirname(path)  # noqa: PTH120 - a Path object a file costs more than all else
        if folder not in self._below:
            self._below[folder] = self._is_below(folder)
        if folder in self._plain:
            return True
        self._asked[folder] += 1
        if self._asked[folder] == MANY and self._below[folder] and not _has_links(folder):
            self._plain.add(folder)
        if self._below[folder] and not os.path.islink(path):  # noqa: PTH114
            return True
        return self._is_below(path)

    def way_out(self, path: str) -> str:
        """Say what leads a path out of the folder."""
        place = self.root
        for name in Path(os.path.relpath(path, self.root)).parts:
            place = place / name
            if place.is_symlink() and not self._is_below(str(place)):
                return f"{place} is a link to {place.readlink()}, outside of {self.root}: {ALLOW}"
        return f"{path} lies outside of {self.root}: {ALLOW}"

    def _is_below(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._real or real.startswith(os.path.join(self._real, ""))  # noqa: PTH118


def _has_links(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_symlink() for entry in entries)
    except OSError:  # a folder that may be entered but not listed
        return True


def require_inside(paths: Iterable[str], root: Path, outside: bool = False) -> None:
    """Raise DataError naming the link that leads one of the paths out of a data set's folder.

    outside: whether it may.
    """
    if outside:
        return
    confines = Confines(root)
    for path in paths:
        if not confines.hold(path):
            raise DataError(confines.way_out(path))
