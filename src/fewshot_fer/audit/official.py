"""How many images or clips of a class there should be, and how many there are."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from fewshot_fer.config import DatasetConfig
from fewshot_fer.labels import BASIC, RAFDB_BASIC_COUNTS, RAFDB_COMPOUND_COUNTS, canonical

_AFEW = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
AFEW_CLIP_COUNTS: dict[str, dict[str, int]] = {
    "train": dict(zip(_AFEW, (133, 74, 81, 150, 144, 117, 74), strict=True)),
    "val": dict(zip(_AFEW, (64, 40, 46, 63, 63, 61, 46), strict=True)),
}
MIXED_COUNTS: dict[str, int] = dict(
    zip(BASIC, (1772, 514, 1023, 6105, 2599, 1007, 3339), strict=True)
)
"""The study's own counts of its mixed set, 16,359 images in all."""


@dataclass(frozen=True)
class ClassCount:
    """How many of a class are there. official: as published, None where nothing is."""

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
    unit = "clips" if settings.adapter == "afew" else "images"
    found = _clips(table) if unit == "clips" else _images(table)
    if settings.adapter in ("mixed", "rafdb_compound"):  # published for both splits together
        found = _together(found)
    published = _published(settings.adapter) if official else {}
    order = {split: place for place, split in enumerate(("train", "val", "test"))}
    keys = sorted({*found, *published}, key=lambda key: (order.get(key[0], len(order)), key))
    name = dataset_name(settings)
    return [
        ClassCount(name, split, label, unit, found[split, label], published.get((split, label)))
        for split, label in keys
    ]


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


def _published(adapter: str) -> dict[tuple[str, str], int]:
    by_split = {
        "rafdb_basic": RAFDB_BASIC_COUNTS,
        "rafdb_compound": {"all": RAFDB_COMPOUND_COUNTS},
        "afew": AFEW_CLIP_COUNTS,
        "mixed": {"all": MIXED_COUNTS},
    }.get(adapter, {})
    return {(split, label): n for split, some in by_split.items() for label, n in some.items()}


def missing_clips(settings: DatasetConfig, table: pd.DataFrame) -> list[str]:
    """Return `class/id` of each clip that the mixed set names and the table has not."""
    clips = table[table["clip"] != ""]
    there = set(zip(clips["label"], clips["clip"].str.rsplit("/", n=1).str[-1], strict=True))
    return [
        f"{label}/{clip}"
        for label, wanted in settings.clips.items()
        for clip in wanted
        if (canonical(label), clip.strip()) not in there
    ]
