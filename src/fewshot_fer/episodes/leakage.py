"""Leakage between the protocols of a run: images, clips and subjects that stand in two of them.

It becomes warnings on the results concerned and lines on screen, and is quick enough to look for in
every training run.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

import numpy as np
import pandas as pd

from fewshot_fer.data.load import BAD_IMAGES
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol

AnyProtocol = EpisodicProtocol | FixedProtocol
Protocol = TypeVar("Protocol", EpisodicProtocol, FixedProtocol, AnyProtocol)
log = logging.getLogger("fewshot_fer")


def quick_audit(protocol: AnyProtocol, before: Sequence[AnyProtocol]) -> list[str]:
    """Return the warnings on a protocol's results, such as `trained_on_test`, `shared_images:12`.

    before: the protocols that it should share nothing with: training for a validation, both for a
    test. trained_on_test: official test or validation images of its data sets are trained on;
    shared_images, shared_groups: how many of its files, and of its clips or subjects, stand in one
    of those before it; bad_images: how many were left out of it. Nothing found is an empty list.
    """
    table, others = _drawn_from(protocol), [_drawn_from(other) for other in before]
    trained = [each.table for each in (protocol, *before) if each.role == "train"]
    tested = {name for own in trained for name in own.loc[_held_out(own), "dataset"]}
    official = table["dataset"][_held_out(table)]
    images = set(table["path"]) & set(chain.from_iterable(other["path"] for other in others))
    groups = set(chain.from_iterable(shared_groups(table, other) for other in others))
    counts = {"shared_images": images, "shared_groups": groups, "bad_images": _bad_images(protocol)}
    found = ["trained_on_test"] if official.isin(tested).any() else []
    return found + [f"{name}:{len(some)}" for name, some in counts.items() if some]


def trained_on_test(training: pd.DataFrame) -> bool:
    """Return whether a training table holds images of an official test or validation split."""
    return bool(_held_out(training).any())


def groups_of(table: pd.DataFrame) -> pd.Series:
    """Return the data set and group of every image that has a clip or subject, not just itself."""
    grouped = table[table["group"] != table["path"]]
    return grouped["dataset"] + " " + grouped["group"]


def shared_groups(table: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Return the groups, as `groups_of`, of the images whose group or clip is in `other` too.

    The clip counts apart: of two lists, one may name subjects and clips, the other clips alone.
    """
    groups = groups_of(table)
    own, others = (
        (each["dataset"] + " " + each["clip"])[each["clip"] != ""] for each in (table, other)
    )
    same = groups.isin(set(groups_of(other))) | own.isin(set(others)).reindex(
        groups.index, fill_value=False
    )
    return groups[same]


def warn_of_shared_images(training: EpisodicProtocol, evaluations: Sequence[AnyProtocol]) -> None:
    """Warn of evaluations whose queries, or whose fixed support, are trained on."""
    paths = set(_drawn_from(training)["path"])
    for protocol in evaluations:
        name = f"{protocol.role} {protocol.title}"
        shared = int(protocol.table["path"].isin(paths).sum())
        if shared:
            log.warning(
                "%s: %d of its %d images were trained on: its accuracy says nothing of new faces",
                name,
                shared,
                len(protocol.table),
            )
        if isinstance(protocol, FixedProtocol) and protocol.support_paths.isin(paths).any():
            log.warning("%s: the support was trained on; set it aside in train's eval=", name)


def audited(protocol: Protocol, before: Sequence[AnyProtocol]) -> Protocol:
    """Return a protocol with the warnings on its results, see `quick_audit`."""
    return replace(protocol, warnings=tuple(quick_audit(protocol, before)))


def _held_out(table: pd.DataFrame) -> pd.Series:
    """Return which rows are of an official test or validation split."""
    return table["split"].isin(["test", "val"])


def _bad_images(protocol: AnyProtocol) -> set[str]:
    """Return the paths that were left out of its tables as they cannot be read."""
    tables = [protocol.table]
    if isinstance(protocol, FixedProtocol):
        tables.append(protocol.support_table)
    return {
        path
        for table in tables
        for path, split in table.attrs.get(BAD_IMAGES, {}).items()
        if split in set(table["split"])
    }


def _drawn_from(protocol: AnyProtocol) -> pd.DataFrame:
    """Return the queries, or the rows that episodes are drawn from: not those held out."""
    if isinstance(protocol, FixedProtocol):
        return protocol.table
    return protocol.table.iloc[np.unique(protocol.pool.rows)]
