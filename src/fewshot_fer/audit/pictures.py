"""Findings about single images: unreadable, grey, tiny or not square."""

from collections.abc import Iterable

from fewshot_fer.audit.findings import Finding, spoils_if
from fewshot_fer.audit.looks import Look

TINY = 32  # pixels: an image with a shorter side than this says little of a face


def picture_findings(looks: Iterable[Look]) -> list[Finding]:
    """Return a finding for each fault that any image has; only unreadable ones spoil a result."""
    seen = list(looks)
    bad = [look for look in seen if look.error]
    good = [look for look in seen if not look.error]
    grey = [look for look in good if look.grey]
    tiny = [look for look in good if min(look.width, look.height) < TINY]
    oblong = [look for look in good if look.width != look.height]
    first = f"the first: {bad[0].error}" if bad else ""
    faults = (
        (True, "unreadable images", bad, first),
        (False, "grey images", grey, "the lack of colour alone would tell them from others"),
        (False, f"images under {TINY} pixels a side", tiny, "they are enlarged"),
        (False, "images that are not square", oblong, "the centred square of each is taken"),
    )
    return [
        spoils_if(spoils, title, f"{len(some)} of {len(seen)}; {why}", [(a.path,) for a in some])
        for spoils, title, some, why in faults
        if some
    ]
