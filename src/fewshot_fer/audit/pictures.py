"""Findings about single images: unreadable, grey, tiny or not square."""

from collections.abc import Iterable

from fewshot_fer.audit.findings import Finding, spoils_if
from fewshot_fer.audit.looks import Look

TINY = 32  # pixels: an image with a shorter side than this says little of a face


def picture_findings(looks: Iterable[Look]) -> list[Finding]:
    """Return a finding for each fault that any image has; only unreadable ones spoil a result."""
    seen = list(looks)
    unreadable = [look for look in seen if look.error]
    good = [look for look in seen if not look.error]
    kinds = {
        "grey images": [look for look in good if look.grey],
        f"images under {TINY} pixels a side": [
            look for look in good if min(look.width, look.height) < TINY
        ],
        "images that are not square": [look for look in good if look.width != look.height],
    }
    details = {
        "grey images": "colours would tell these from other images",
        "images that are not square": "the centred square of each is taken",
    }
    found = []
    if unreadable:
        detail = f"{_count(unreadable, seen)}; the first: {unreadable[0].error}"
        found.append(spoils_if(True, "unreadable images", detail, _paths(unreadable)))
    for title, looks_of_kind in kinds.items():
        if looks_of_kind:
            reason = details.get(title, "they are enlarged")
            detail = f"{_count(looks_of_kind, seen)}; {reason}"
            found.append(spoils_if(False, title, detail, _paths(looks_of_kind)))
    return found


def _count(some: list[Look], seen: list[Look]) -> str:
    return f"{len(some)} of {len(seen)}"


def _paths(looks: list[Look]) -> list[tuple[str]]:
    return [(look.path,) for look in looks]
