"""Findings about counts: where they are not the official ones, and why that may be."""

from collections.abc import Sequence

import pandas as pd

from fewshot_fer.audit.findings import Finding, spoils_if
from fewshot_fer.audit.official import ClassCount, dataset_name, missing_clips
from fewshot_fer.config import DatasetConfig

DIGITS = 9  # of a clip id
WHY = {
    "mixed": "how many frames a clip gives depends on how they were extracted",
    "afew": "clips may be missing, or in folders of another name",
}


def count_findings(
    settings: DatasetConfig, counts: Sequence[ClassCount], table: pd.DataFrame
) -> list[Finding]:
    """Return notes on counts that differ from the published ones, and on clips that match none."""
    found = []
    published = [count for count in counts if count.official is not None]
    differ = [count for count in published if count.found != count.official]
    if differ:
        wanted = sum(count.official or 0 for count in published)
        there = sum(count.found for count in counts)
        why = WHY.get(settings.adapter, "the copy may be incomplete, augmented or re-packed")
        detail = f"{there} {counts[0].unit}, officially {wanted}; {why}; see the table above"
        found.append(spoils_if(False, f"counts of {dataset_name(settings)} differ", detail, ()))
    missing = missing_clips(settings, table) if settings.adapter == "mixed" else []
    if missing:
        detail = f"no AFEW training clip is {', '.join(missing)}"
        odd = [clip for clip in missing if len(clip.split("/")[-1]) != DIGITS]
        detail += f" (not {DIGITS} digits, as printed: {', '.join(odd)})" if odd else ""
        found.append(spoils_if(False, "named clips that are not there", detail, ()))
    return found
