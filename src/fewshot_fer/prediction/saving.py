"""Names of pictures that a prediction writes, and how they reach the disk."""

import itertools
from pathlib import Path

from PIL import Image


class Names:
    """Gives each file a name that no other has: its own without the ending or, if that is taken,
    with a number."""

    def __init__(self) -> None:
        self._names: dict[Path, str] = {}
        self._taken: set[str] = set()

    def of(self, file: Path) -> str:
        """Return the name of a file, always the same one."""
        if file not in self._names:
            name, numbers = file.stem, itertools.count(2)
            while name.casefold() in self._taken:  # some disks do not tell upper case from lower
                name = f"{file.stem}_{next(numbers)}"
            self._names[file] = name
            self._taken.add(name.casefold())
        return self._names[file]


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a .jpg under a temporary name and rename it. A .png would take ten times as long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    picture.save(partial, format="JPEG", quality=90, subsampling=0)  # colours of letters stay sharp
    partial.replace(path)
