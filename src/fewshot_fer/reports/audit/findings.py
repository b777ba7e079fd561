"""What the audit found: one line for people, every path for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SHOWN = 3  # paths of a finding on screen; check.json holds all


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    level: `spoils` a result, or `note`; paths: one image each, or the images that are one and the
    same.
    """

    level: str
    title: str
    detail: str
    paths: tuple[tuple[str, ...], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"count": len(self.paths)}


def invalidates_if(
    spoils: bool, title: str, detail: str, paths: Iterable[Sequence[str]]
) -> Finding:
    """Return a finding that spoils a result under a condition, and is a note without it."""
    return Finding("spoils" if spoils else "note", title, detail, tuple(map(tuple, paths)))


def is_invalid(findings: Sequence[Finding]) -> bool:
    """Tell whether any finding would spoil a result."""
    return any(finding.level == "spoils" for finding in findings)


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding as lines for people, the first few paths among them."""
    mark = "SPOILS" if finding.level == "spoils" else "note"
    lines = [f"{mark:6}  {finding.title}: {finding.detail}"]
    lines += ["          " + " = ".join(paths) for paths in finding.paths[:SHOWN]]
    left = len(finding.paths) - SHOWN
    return lines + ([f"          and {left} more in check.json"] if left > 0 else [])
