"""Find images, clips and subjects that training, validation and tests share, and should not."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import pandas as pd

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.episodes.setup import shared_groups
from fewshot_fer.reports.audit.images import Look, find_twins, thumbnails_of
from fewshot_fer.reports.audit.tables import AuditedTable, Finding, fault, note

KINDS = ("training", "validation", "test")


@dataclass(frozen=True)
class Pair:
    """Two tables that should share nothing. excuse: why no result suffers if they do."""

    first: pd.DataFrame
    second: pd.DataFrame
    where: str
    excuse: str = ""

    def finding(self, what: str, detail: str, paths: Iterable[Sequence[str]]) -> Finding:
        """Return what both have in common as a fault or, with an excuse, as a note."""
        if self.excuse:
            return note(f"{what} {self.where}", f"{detail}; {self.excuse}", paths)
        return fault(f"{what} {self.where}", detail, paths)


def overlap_findings(
    audited: Sequence[AuditedTable], looks: dict[str, Look], settings: TrainVerb
) -> list[Finding]:
    """Return findings on what any two kinds of roles share, and on what is twice within one."""
    tables = _tables_by_kind(audited)
    found: list[Finding] = []
    pairs = list(_kind_pairs(tables, settings))
    for one in audited:  # and each fixed support that is not of the training set
        if (own := one.own_support) is not None:
            pairs.append(Pair(own, one.table, f"in support and queries of {one.title}"))
    for pair in pairs:
        found += _shared_images(pair, looks)
        found += _shared_groups(pair, settings.episodes.disjoint == "group")
    for kind, table in tables.items():
        found += _doubles(table, looks, kind)
    return found


def _tables_by_kind(audited: Sequence[AuditedTable]) -> dict[str, pd.DataFrame]:
    """Return the images of each kind of role; tests count as one, an image of several once."""
    tables = {kind: [one.table for one in audited if one.kind == kind] for kind in KINDS}
    return {
        kind: pd.concat(some, ignore_index=True).drop_duplicates("path", ignore_index=True)
        for kind, some in tables.items()
        if some
    }


def _kind_pairs(tables: dict[str, pd.DataFrame], settings: TrainVerb) -> Iterator[Pair]:
    chooses = settings.train.tested == "best" or settings.train.patience > 0
    for first, second in combinations(tables, 2):
        harmless = first == "validation" and not chooses
        excuse = "no harm, as validation chooses nothing here" if harmless else ""
        yield Pair(tables[first], tables[second], f"in {first} and {second}", excuse)


def _shared_images(pair: Pair, looks: dict[str, Look]) -> Iterator[Finding]:
    same = sorted(set(pair.first["path"]) & set(pair.second["path"]))
    if same:
        detail = f"{len(same)} files, of {len(pair.second)} in the latter"
        paths: list[tuple[str, ...]] = [(path,) for path in same]
        yield pair.finding("the same files", detail, paths)
    left, right = _readable(pair.first, looks, same), _readable(pair.second, looks, same)
    copies = _copies(left, right)
    if copies:
        detail = f"{len(copies)} pictures under two names or more, byte for byte"
        yield pair.finding("the same pictures", detail, copies)
    twins = _twins(left, right, {path for paths in copies for path in paths})
    if twins:
        detail = f"{len(twins)} of the latter are one of the former, resized or compressed anew"
        yield pair.finding("near-identical pictures", detail, twins)


def _readable(table: pd.DataFrame, looks: dict[str, Look], without: Iterable[str]) -> list[Look]:
    left_out = set(without)
    kept = (looks[path] for path in table["path"] if path not in left_out)
    return [look for look in kept if not look.error]


def _copies(left: Sequence[Look], right: Sequence[Look]) -> list[tuple[str, ...]]:
    """Return the paths of each content that stands on both sides, those of `left` first."""
    common = {look.content for look in left} & {look.content for look in right}
    paths = defaultdict(list)
    for look in (*left, *right):
        if look.content in common:
            paths[look.content].append(look.path)
    return [tuple(same) for same in paths.values()]


def _twins(left: list[Look], right: list[Look], copied: set[str]) -> list[tuple[str, ...]]:
    """Return the paths of each of `right`, but the copied ones, with its twin in `left` first."""
    left = [look for look in left if look.path not in copied]
    right = [look for look in right if look.path not in copied]
    pairs = find_twins(thumbnails_of(left), thumbnails_of(right))
    return [(left[i].path, right[j].path) for i, j in pairs]


def _shared_groups(pair: Pair, kept_apart: bool) -> Iterator[Finding]:
    """Yield groups of both tables; images that are the very same file are a finding apart."""
    others = pair.second[~pair.second["path"].isin(pair.first["path"])]
    shared = shared_groups(others, pair.first)
    if shared.empty:
        return
    names = sorted(shared.unique())
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    detail = f"{len(names)} clips or subjects with {len(shared)} images in the latter: {shown}"
    paths = [(path,) for path in pair.second.loc[shared.index, "path"]]
    if not kept_apart and not pair.excuse:
        pair = replace(pair, excuse="episodes.disjoint=image allows it")
    yield pair.finding("the same groups", detail, paths)


def _doubles(table: pd.DataFrame, looks: dict[str, Look], kind: str) -> Iterator[Finding]:
    paths = defaultdict(list)
    for look in _readable(table, looks, ()):
        paths[look.content].append(look.path)
    doubles = [tuple(same) for same in paths.values() if len(same) > 1]
    if doubles:
        what = "a repeat can be support and query of one episode"
        detail = f"{len(doubles)} pictures, byte for byte: {what}"
        yield note(f"the same pictures twice in {kind}", detail, doubles)
