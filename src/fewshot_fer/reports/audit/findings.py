"""Findings of the audit: one line each for people, every path for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SHOWN = 3  # paths of a finding on screen; check.json holds all


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    level: `spoils` where it invalidates a result, or `note`; paths: one image each, or the images
    that are one and the same.
    """

    level: str
    title: str
    detail: str
    paths: tuple[tuple[str, ...], ...] = ()

    @property
    def invalidates(self) -> bool:
        """Whether a result on these data would be invalid."""
        return self.level == "spoils"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, for check.json."""
        return asdict(self) | {"count": len(self.paths)}

    def lines(self) -> list[str]:
        """Return it as lines for people, the first few paths among them."""
        mark = "SPOILS" if self.invalidates else "note"
        lines = [f"{mark:6}  {self.title}: {self.detail}"]
        lines += ["          " + " = ".join(paths) for paths in self.paths[:SHOWN]]
        left = len(self.paths) - SHOWN
        return lines + ([f"          and {left} more in check.json"] if left > 0 else [])


def fault(title: str, detail: str, paths: Iterable[Sequence[str]] = ()) -> Finding:
    """Return a finding that invalidates a result."""
    return Finding("spoils", title, detail, tuple(map(tuple, paths)))


def note(title: str, detail: str, paths: Iterable[Sequence[str]] = ()) -> Finding:
    """Return a finding that is worth knowing and invalidates nothing."""
    return Finding("note", title, detail, tuple(map(tuple, paths)))
