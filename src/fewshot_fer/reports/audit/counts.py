"""Count the images or clips of each class, and compare with the published counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.labels import canonical
from fewshot_fer.reports.audit.findings import Finding, note

DIGITS = 9  # of a clip id


@dataclass(frozen=True)
class ClassCount:
    """The count of one class in one split. official: as published, None where nothing is."""

    dataset: str
    split: str
    label: str
    unit: str  # images or clips
    found: int
    official: int | None


def dataset_name(settings: DatasetConfig) -> str:
    """Return the adapter and, since one may read several folders or lists, which of them."""
    return " ".join(filter(None, [settings.adapter, settings.file or settings.root]))


def class_counts(settings: DatasetConfig, table: pd.DataFrame, official: bool) -> list[ClassCount]:
    """Return the counts of a whole data set, all its splits; without `official` none to compare."""
    adapter = find_adapter(settings.adapter)
    found = _clips(table) if adapter.unit == "clips" else _images(table)
    if "all" in adapter.counts:
        found = _together(found)
    published = {
        (split, label): number
        for split, of_split in (adapter.counts if official else {}).items()
        for label, number in of_split.items()
    }
    order = {split: place for place, split in enumerate(("train", "val", "test"))}
    keys = sorted({*found, *published}, key=lambda key: (order.get(key[0], len(order)), key))
    name = dataset_name(settings)
    return [
        ClassCount(
            name, split, label, adapter.unit, found[split, label], published.get((split, label))
        )
        for split, label in keys
    ]


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
        why = find_adapter(settings.adapter).differs
        detail = f"{there} {counts[0].unit}, officially {wanted}; {why}; see the table above"
        found.append(note(f"counts of {dataset_name(settings)} differ", detail))
    missing = _missing_clips(settings, table) if settings.adapter == "mixed" else []
    if missing:
        detail = f"no AFEW training clip is {', '.join(missing)}"
        odd = [clip for clip in missing if len(clip.split("/")[-1]) != DIGITS]
        detail += f" (not {DIGITS} digits, as printed: {', '.join(odd)})" if odd else ""
        found.append(note("named clips that are not there", detail))
    return found


def _images(table: pd.DataFrame) -> Counter[tuple[str, str]]:
    return Counter(zip(table["split"], table["label"], strict=True))


def _clips(table: pd.DataFrame) -> Counter[tuple[str, str]]:
    """Count clips, those without any face among them, as the published counts do."""
    clips = table.drop_duplicates("clip")
    lost = table.attrs.get("lost_clips", {})
    return _images(clips) + Counter((clip.split("/")[0], label) for clip, label in lost.items())


def _together(counts: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    total: Counter[tuple[str, str]] = Counter()
    for (_, label), count in counts.items():
        total["all", label] += count
    return total


def _missing_clips(settings: DatasetConfig, table: pd.DataFrame) -> list[str]:
    """Return `class/id` of each clip that the mixed set names and the table has not."""
    clips = table[table["clip"] != ""]
    there = set(zip(clips["label"], clips["clip"].str.rsplit("/", n=1).str[-1], strict=True))
    return [
        f"{label}/{clip}"
        for label, wanted in settings.clips.items()
        for clip in wanted
        if (canonical(label), clip.strip()) not in there
    ]
