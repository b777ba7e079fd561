"""Names of what is written, so that no two sources ever write to one place."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_NUMBER = re.compile(r"_(?:[2-9]|[1-9][0-9]+)$")  # behind the name for a further face


class _Taken:
    """Names that are given away; numbered: each with those of its further faces, `name_2` on."""

    def __init__(self, numbered: bool) -> None:
        self.numbered = numbered
        self._names: set[str] = set()
        self._roots: set[str] = set()  # of names that end as further faces do, the part before

    def add(self, name: Path) -> None:
        self._names.add(_key(name))
        if (root := _root(name)) is not None:
            self._roots.add(root)

    def has(self, name: Path) -> bool:
        """Tell whether a file of this name, or of a further face, would be somebody else's."""
        if _key(name) in self._names:
            return True
        return self.numbered and (_root(name) in self._names or _key(name) in self._roots)


def unshared_names(
    files: Sequence[Path], before: Sequence[Path | None], numbered: bool = False
) -> list[Path]:
    """Return a name without an ending for each file, in its folder.

    A file keeps the name that it had `before`. Others get their own without the ending or, where
    that would be another's too (a.png beside a.jpg), their whole name. numbered: further faces of
    a.jpg are called a_2, so a file a_2.jpg gets its whole name as well. Upper and lower case count
    as one, as on some disks.
    """
    taken, names = _Taken(numbered), dict[Path, Path]()
    plain = Counter(_key(file.with_suffix("")) for file in files)
    for file, old in zip(files, before, strict=True):
        if old in (file, file.with_suffix("")) and not taken.has(old):
            names[file] = old
            taken.add(old)
    for file in files:
        name = file.with_suffix("")
        alone = plain[_key(name)] == 1 and not (numbered and _root(name) in plain)
        if file not in names and alone and not taken.has(name):
            names[file] = name
            taken.add(name)
    for file in files:
        if file not in names:
            wholes = (file.with_name(file.name + "~" * count) for count in itertools.count())
            names[file] = next(whole for whole in wholes if not taken.has(whole))
            taken.add(names[file])
    return [names[file] for file in files]


def _key(name: Path) -> str:
    return str(name).casefold()


def _root(name: Path) -> str | None:
    """Return the name whose further face would be called so, None where there is none."""
    key = _key(name)
    return _NUMBER.sub("", key) if _NUMBER.search(key) else None
