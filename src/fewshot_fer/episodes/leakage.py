"""Leakage between training, validation and tests: stamps for results, and warnings on screen.

Nothing here opens an image: it is quick enough for every training run.
"""

import logging
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol

AnyProtocol = EpisodicProtocol | FixedProtocol
log = logging.getLogger("fewshot_fer")


def quick_audit(protocols: Sequence[AnyProtocol]) -> list[str]:
    """Return stamps for results, such as `trained_on_test`, `shared_images:12`, `shared_groups:3`.

    trained_on_test: images of an official test or validation split are trained on; shared_images:
    files that stand in two roles; shared_groups: clips or subjects that do. Several tests are one
    role. Nothing found is an empty list.
    """
    tables = _tables_by_role(protocols)
    trained = tables.get("train")
    stamps = ["trained_on_test"] if trained is not None and trained_on_test(trained) else []
    images = _count_shared(set(table["path"]) for table in tables.values())
    groups = _count_shared(set(groups_of(table)) for table in tables.values())
    stamps += [f"shared_images:{images}"] if images else []
    stamps += [f"shared_groups:{groups}"] if groups else []
    return stamps


def trained_on_test(training: pd.DataFrame) -> bool:
    """Return whether a training table holds images of an official test or validation split."""
    return bool(training["split"].isin(["test", "val"]).any())


def groups_of(table: pd.DataFrame) -> pd.Series:
    """Return the data set and group of every image that has a clip or subject, not just itself."""
    grouped = table[table["group"] != table["path"]]
    return grouped["dataset"] + " " + grouped["group"]


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


def _tables_by_role(protocols: Sequence[AnyProtocol]) -> dict[str, pd.DataFrame]:
    found: dict[str, list[pd.DataFrame]] = {}
    for protocol in protocols:
        table = protocol.table if isinstance(protocol, FixedProtocol) else _drawn_from(protocol)
        found.setdefault(protocol.role, []).append(table)
    return {role: pd.concat(tables) for role, tables in found.items()}


def _drawn_from(protocol: EpisodicProtocol) -> pd.DataFrame:
    """Return the rows that episodes are drawn from: training leaves held-out ones undrawn."""
    return protocol.table.iloc[np.unique(protocol.pool.rows)]


def _count_shared(sets: Iterable[set[str]]) -> int:
    """Count what stands in two sets or more."""
    seen: set[str] = set()
    shared: set[str] = set()
    for one in sets:
        shared |= seen & one
        seen |= one
    return len(shared)
