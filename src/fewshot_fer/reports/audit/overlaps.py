"""Find images, clips and subjects that training, validation and tests share, and should not."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.data.table import group_keys
from fewshot_fer.episodes.leakage import shared_groups
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.reports.audit.images import Look, thumbnails_of
from fewshot_fer.reports.audit.tables import AuditedTable, Finding, fault, note
from fewshot_fer.reports.audit.twins import find_twins

KINDS = ("training", "validation", "test")
LEFT_OUT = "a query is not scored in a draw whose support holds it"


@dataclass(frozen=True)
class Pair:
    """Two tables that should share nothing. excuse: why no result suffers if they do.

    left_out: whether the evaluation itself leaves out what shares a group or a whole picture.
    """

    first: pd.DataFrame
    second: pd.DataFrame
    where: str
    excuse: str = ""
    left_out: bool = False

    def finding(
        self, what: str, detail: str, paths: Iterable[Sequence[str]], excuse: str = ""
    ) -> Finding:
        """Return what both have in common as a fault or, with an excuse, as a note."""
        if excuse := self.excuse or excuse:
            return note(f"{what} {self.where}", f"{detail}; {excuse}", paths)
        return fault(f"{what} {self.where}", detail, paths)


def overlap_findings(
    audited: Sequence[AuditedTable], looks: dict[str, Look], settings: TrainVerb
) -> list[Finding]:
    """Return findings on what any two kinds of roles share, and on what is twice within one."""
    tables = _tables_by_kind(audited)
    found: list[Finding] = []
    kept_apart = settings.episodes.disjoint == "group"
    pairs = list(_kind_pairs(tables, settings))
    pairs += _pairs_of_sets(audited, settings)
    for one in audited:  # and each fixed support that is not of the training set
        if (own := one.own_support) is not None:
            where = f"in support and queries of {one.title}"
            pairs.append(Pair(own, one.table, where, left_out=True))
    for pair in pairs:
        found += _shared_images(pair, looks, kept_apart)
        found += _shared_groups(pair, kept_apart)
    seen = set()
    for one in audited:
        if (data := (one.kind, repr(one.dataset))) not in seen:
            found += _doubles(one, looks, kept_apart)
        seen.add(data)
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


def _pairs_of_sets(audited: Sequence[AuditedTable], settings: TrainVerb) -> Iterator[Pair]:
    """Yield any two data sets of one table; each table once."""
    seen = set()
    for one in audited:
        sets = [own for _, own in one.table.groupby("dataset", sort=False)]
        if len(sets) < 2 or (data := (one.kind, repr(one.dataset))) in seen:
            continue
        seen.add(data)
        excuse = "each counts twice"
        if _draws(one):
            excuse = "" if settings.episodes.within == "any" else "no episode draws from both"
        for first, second in combinations(sets, 2):
            names = " and ".join(own["dataset"].iloc[0] for own in (first, second))
            yield Pair(first, second, f"in {names} of {one.title}", excuse)


def _shared_images(pair: Pair, looks: dict[str, Look], kept_apart: bool) -> Iterator[Finding]:
    same = sorted(set(pair.first["path"]) & set(pair.second["path"]))
    if same:
        detail = f"{len(same)} files, of {len(pair.second)} in the latter"
        paths: list[tuple[str, ...]] = [(path,) for path in same]
        yield pair.finding("the same files", detail, paths)
    left, right = _readable(pair.first, looks, same), _readable(pair.second, looks, same)
    copies = _copies(left, right)
    if copies:
        detail = f"{len(copies)} pictures under two names or more, byte for byte"
        yield pair.finding("the same pictures", detail, copies, LEFT_OUT if pair.left_out else "")
    twins = _twins(left, right, {path for paths in copies for path in paths})
    if pair.left_out and kept_apart:  # a frame is like the others of its clip
        keys: dict[str, str] = {}
        for table in (pair.first, pair.second):
            keys |= dict(zip(table["path"], group_keys(table), strict=True))
        twins = [(one, other) for one, other in twins if keys[one] != keys[other]]
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
    excuse = LEFT_OUT if pair.left_out else ""
    if not kept_apart:
        excuse = "episodes.disjoint=image allows it"
    yield pair.finding("the same groups", detail, paths, excuse)


def _doubles(one: AuditedTable, looks: dict[str, Look], kept_apart: bool) -> Iterator[Finding]:
    """Yield the pictures that stand twice in one table: of two classes, in two groups, or in one.

    Those in two groups are a fault where an episode can have them on both sides. Those of two data
    sets are found by `_pairs_of_sets`.
    """
    keys = group_keys(one.table) if kept_apart else one.table["path"]
    labels = dict(zip(one.table["path"], one.table["label"], strict=True))
    groups = dict(zip(one.table["path"], keys, strict=True))
    paths = defaultdict(list)
    for look in _readable(one.table, looks, ()):
        paths[look.content].append(look.path)
    sets = dict(zip(one.table["path"], one.table["dataset"], strict=True))
    doubles = [tuple(same) for same in paths.values() if len(same) > 1]
    two_names = [same for same in doubles if len({labels[path] for path in same}) > 1]
    own = [same for same in doubles if len({sets[path] for path in same}) == 1]
    others = sorted(set(own) - set(two_names))
    apart = [same for same in others if _draws(one) and len({groups[path] for path in same}) > 1]
    harmless = sorted(set(others) - set(apart))
    title = f"the same pictures twice in {one.title}"
    if two_names:
        first = " and ".join(sorted({labels[path] for path in two_names[0]}))
        why = f"the first is {first}, and whatever is predicted is wrong for one of them"
        yield fault(f"{title}, under two class names", _bytes(two_names, why), two_names)
    if apart:
        why = "they can be support and query of one episode"
        yield fault(f"{title}, in two groups", _bytes(apart, why), apart)
    if harmless:
        yield note(title, _bytes(harmless, "each counts as often as it is there"), harmless)


def _bytes(pictures: Sequence[object], why: str) -> str:
    return f"{len(pictures)} pictures, byte for byte: {why}"


def _draws(one: AuditedTable) -> bool:
    """Return whether figures of new faces come from episodes with a support out of the table."""
    protocol = one.protocol
    return one.kind != "training" and isinstance(protocol, EpisodicProtocol) and protocol.k_shot > 0
