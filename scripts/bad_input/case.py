"""One way to spoil one kind of file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WORKS = "works"
LINE = "one line"

Spoil = Callable[[Path], None]
"""Changes the file, or the folder, that a kind of input is."""


@dataclass(frozen=True)
class Case:
    """kind: what is handed in; fault: what is wrong with it; outcome: WORKS or LINE; says: what
    must stand in the line."""

    kind: str
    fault: str
    spoil: Spoil
    outcome: str = LINE
    says: str = ""


def text(content: str | bytes) -> Spoil:
    """Replace the whole file."""
    raw = content.encode() if isinstance(content, str) else content
    return lambda path: _write(path, raw)


def edited(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of the file."""
    return lambda path: _write(path, change(path.read_bytes()))


def _write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def folder_instead(path: Path) -> None:
    """Put a folder in the place of the file."""
    path.unlink()
    path.mkdir()


def gone(path: Path) -> None:
    """Take the file away."""
    path.unlink()
