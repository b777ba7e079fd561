"""Compare the counts of each class with the published ones, and find clips that make figures wrong.

These are clips and subjects that share one id, or stand in the support of their own queries. How
often a query would meet its own clip in the support is computed exactly: no episode is drawn.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.labels import canonical, likely_misprint, look_alike, plain_name
from fewshot_fer.data.table import group_keys, has_groups
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.leakage import groups_of
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.reports.audit.tables import AuditedTable, Finding, note
from fewshot_fer.system.text import percent

DIGITS = 9  # of a clip id
Floats = NDArray[np.float64]


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
    """Return the counts of all splits of a data set, of `dataset.classes` where they are given.

    Without `official` there are none to compare with.
    """
    adapter = find_adapter(settings.adapter)
    found = _clips(table) if adapter.unit == "clips" else _images(table)
    if "all" in adapter.counts:
        found = _together(found)
    taken = {canonical(name) for name in settings.classes}
    published = {
        (split, label): number
        for split, of_split in (adapter.counts if official else {}).items()
        for label, number in of_split.items()
        if label in taken or not taken
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


def leak_findings(audited: AuditedTable, disjoint: str) -> list[Finding]:
    """Return the share of queries whose own clip or subject would be in the support."""
    protocol = audited.protocol
    if protocol is None or groups_of(audited.table).empty:
        return []
    if isinstance(protocol, FixedProtocol):
        share = _fixed_share(protocol)
        if not share:
            return []
        detail = f"{percent(share)} of its queries have their own clip in the fixed support"
        consequence = " and are not scored against it"
        if disjoint != "group":
            consequence = "; episodes.disjoint=group would not score them"
        return [note(f"clips of {audited.title}", f"{detail}{consequence}")]
    pools = protocol.drawn_from.sets or [protocol.drawn_from]
    faces = [protocol.drawn_table.iloc[np.unique(pool.rows)] for pool in pools]
    if protocol.shape.k_shot == 0 or not any(map(has_groups, faces)):
        return []
    shares = [leak_share(own, protocol.n_way, protocol.k_shot) for own in faces]
    share, unit = float(np.mean(shares)), protocol.shape.unit
    queries = f"{percent(share)} of queries at {protocol.shape}"
    kept = "clip" if unit == "image" else "subject"
    own = f"their own {kept} in the support"
    detail = f"{queries} will have {own}; episodes.disjoint=group would prevent it"
    if disjoint == "group":
        detail = f"{queries} would have {own}, were {unit}s drawn without regard to {kept}s"
    return [note(f"{kept}s of {audited.title}", detail)]


def clip_findings(audited: AuditedTable) -> list[Finding]:
    """Return how many clips of each class are drawn from, and how many frames each has, where a
    protocol counts clips."""
    protocol = audited.protocol
    if not isinstance(protocol, EpisodicProtocol) or protocol.of_clips is None:
        return []
    drawn = np.unique(protocol.drawn_from.rows)
    classes = protocol.drawn_table["label"].iloc[drawn].value_counts().sort_index()
    sizes = protocol.of_clips.clips.sizes[drawn]
    counts = ", ".join(f"{name} {count}" for name, count in classes.items())
    frames = f"{sizes.min()} to {sizes.max()} frames each, {np.median(sizes):.0f} in the middle"
    return [note(f"counted in clips: {audited.title}", f"{len(drawn)} clips ({counts}), {frames}")]


def repeated_ids(dataset: str, table: pd.DataFrame) -> list[Finding]:
    """Return a note on ids that several clips or subjects of a whole data set bear.

    An id says little: the key of an AFEW clip is split, class and id.
    """
    keys = pd.Series(table.loc[table["group"] != table["path"], "group"].unique(), dtype=object)
    ids = keys.str.rsplit("/", n=1).str[-1]
    several = {str(name): sorted(some) for name, some in keys.groupby(ids) if len(some) > 1}
    if not several:
        return []
    shown = "; ".join(f"{name} is {' and '.join(some)}" for name, some in [*several.items()][:3])
    detail = f"{len(several)} ids, told apart by split and class: {shown}"
    title = f"ids of several clips or subjects in {dataset}"
    return [note(title, detail, several.values())]


def name_findings(dataset: str, table: pd.DataFrame) -> list[Finding]:
    """Return notes on what was read in another way than it may be meant, names of classes first."""
    notes = [note("as read", remark) for remark in table.attrs.get("remarks", [])]
    names = sorted(table["label"].unique())
    for name in names:
        if near := likely_misprint(name):
            detail = f"{name} is one letter from {near}, and a class of its own"
            notes.append(note(f"a misprint in {dataset}?", detail))
    by_look = pd.Series(names).groupby([look_alike(name) for name in names]).unique()
    for alike in by_look[by_look.map(len) > 1]:
        detail = f"{' and '.join(map(repr, alike))} are classes of their own"
        notes.append(note(f"names that look alike in {dataset}", detail))
    return notes


def leak_share(table: pd.DataFrame, n_way: int, k_shot: int) -> float:
    """Return the share of queries whose own group is in the support, 0..1.

    Episodes of n_way classes out of those of the table, each as likely, k_shot support images of
    each and queries from the rest of the class, drawn image by image. A group that has images of
    other classes is met there too. Every class must have more than k_shot images.
    """
    keys, labels = group_keys(table), table["label"]
    several = keys.duplicated(keep=False)  # an image on its own never meets its group
    names, n_images = np.unique(labels.to_numpy(str), return_counts=True)
    counted = pd.crosstab(keys[several], labels[several]).reindex(columns=names, fill_value=0)
    counts, sizes = counted.to_numpy().astype(np.float64), n_images.astype(np.float64)
    own = _missed(sizes - 1, counts - 1, k_shot)  # the query itself is no longer there
    met = 1 - own
    mixed = (counts > 0).sum(axis=1) > 1  # these alone can be met in other classes too
    other = _missed(sizes, counts[mixed], k_shot)
    for column in range(len(sizes)):
        elsewhere = _mean_product(np.delete(other, column, axis=1), n_way - 1)
        met[mixed, column] = 1 - own[mixed, column] * elsewhere
    return float((counts * met / sizes).sum() / len(sizes))


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
        if (canonical(label), plain_name(clip)) not in there
    ]


def _missed(sizes: Floats, counts: Floats, k_shot: int) -> Floats:
    """Return the chance [G, C] that k_shot images of a class have none of a group.

    sizes [C]: images of the class; counts [G, C]: how many of them are the group's.
    """
    chance = np.ones(counts.shape)
    for drawn in range(k_shot):
        chance *= (sizes - counts - drawn).clip(0) / (sizes - drawn).clip(1)
    return chance


def _mean_product(chances: Floats, n_chosen: int) -> Floats:
    """Return [G]: the product over n_chosen columns of [G, C], averaged over all such choices.

    The sum over all choices is an elementary symmetric polynomial, built up column by column.
    """
    sums = np.zeros((n_chosen + 1, len(chances)))
    sums[0] = 1
    for column in chances.T:
        sums[1:] += sums[:-1] * column
    return np.asarray(sums[n_chosen] / math.comb(chances.shape[1], n_chosen))


def _fixed_share(protocol: FixedProtocol) -> float:
    """Return the share of queries, over all draws, with an image of their group in the support."""
    if protocol.disjoint == "group":
        return protocol.n_left_out / protocol.scored.size
    keys, queries = group_keys(protocol.support_table).to_numpy(), group_keys(protocol.table)
    return float(np.mean([queries.isin(set(keys[rows.ravel()])) for rows in protocol.support.rows]))
