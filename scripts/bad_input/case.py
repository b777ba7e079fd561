"""A case: one fault of one kind of input, and how the command must end."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WORKS = "works"
LINE = "one line"
STOPS = "stops, and says how to go on"

Spoil = Callable[[Path], None]
"""Changes the file, or the folder, that a kind of input is."""

During = Callable[[], contextlib.AbstractContextManager[object]]
"""What goes wrong while the command is under way."""


@dataclass(frozen=True)
class Case:
    """kind: what is handed in; fault: what is wrong with it; outcome: WORKS, LINE or STOPS; says:
    what must stand in the line; during: what goes wrong meanwhile; words: what is typed, () for
    what its kind types."""

    kind: str
    fault: str
    spoil: Spoil
    outcome: str = LINE
    says: str = ""
    during: During = contextlib.nullcontext
    words: tuple[str, ...] = ()


def text(content: str | bytes) -> Spoil:
    """Replace the whole file."""
    raw = content.encode() if isinstance(content, str) else content
    return lambda path: _write(path, raw)


def edited(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of the file."""
    return lambda path: _write(path, change(path.read_bytes()))


def replaced(old: bytes, new: bytes) -> Spoil:
    """Put other bytes in the place of some, the first time that they stand there."""

    def spoil(path: Path) -> None:
        raw = path.read_bytes()
        assert old in raw, f"{path} does not hold {old!r}"
        path.write_bytes(raw.replace(old, new, 1))

    return spoil


def truncated(raw: bytes) -> bytes:
    """Return the first half."""
    return raw[: len(raw) // 2]


def flipped(raw: bytes) -> bytes:
    """Return the bytes with the one in the middle inverted."""
    place = len(raw) // 2
    return raw[:place] + bytes([raw[place] ^ 255]) + raw[place + 1 :]


def _write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def folder_instead(path: Path) -> None:
    """Put a folder in the place of the file."""
    path.unlink()
    path.mkdir()


def gone(path: Path) -> None:
    """Take the file away."""
    path.unlink()


def gone_folder(path: Path) -> None:
    """Take the folder away."""
    shutil.rmtree(path)


def linked_out(path: Path) -> None:
    """Move a file or folder out of the data set, and leave a link to it."""
    away = Path.cwd().parent / f"away from {Path.cwd().name}"
    away.mkdir()
    path.rename(away / path.name)
    path.symlink_to(away / path.name)


def on(name: str, spoil: Spoil) -> Spoil:
    """Damage what lies under another name beside, or below, what is handed over."""

    def spoilt(path: Path) -> None:
        beside = (path if path.is_dir() else path.parent) / name
        spoil(Path(os.path.normpath(beside)))

    return spoilt


def with_variable(name: str, value: str, spoil: Spoil | None = None) -> Spoil:
    """Set a variable of the environment, for this case alone."""

    def spoilt(path: Path) -> None:
        os.environ[name] = value
        if spoil is not None:
            spoil(path)

    return spoilt


def as_it_is(path: Path) -> None:
    """Change nothing."""
