"""Find clips and subjects that stand under one id, or in the support of their own queries.

How often a query would meet its own clip in the support is computed exactly: no episode is drawn.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.data.table import has_groups
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.leakage import groups_of
from fewshot_fer.reports.audit.findings import Finding, note
from fewshot_fer.reports.audit.tables import AuditedTable
from fewshot_fer.system.text import percent

Floats = NDArray[np.float64]


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
        return [note(f"clips of {audited.title}", detail)]
    faces = audited.table.iloc[np.unique(protocol.pool.rows)]
    if protocol.shape.k_shot == 0 or not has_groups(faces):
        return []
    share = leak_share(faces, protocol.shape.n_way, protocol.shape.k_shot)
    detail = f"{percent(share)} of queries at {protocol.shape} {_consequence(disjoint)}"
    return [note(f"clips of {audited.title}", detail)]


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


def leak_share(table: pd.DataFrame, n_way: int, k_shot: int) -> float:
    """Return the share of queries whose own group is in the support, 0..1.

    Episodes of n_way classes out of those of the table, each as likely, k_shot support images of
    each and queries from the rest of the class, drawn image by image. A group that has images of
    other classes is met there too. Every class must have more than k_shot images.
    """
    counts = pd.crosstab(table["group"], table["label"]).to_numpy().astype(np.float64)
    sizes = counts.sum(axis=0)
    own = _missed(sizes - 1, counts - 1, k_shot)  # the query itself is no longer there
    other = _missed(sizes, counts, k_shot)
    met = np.zeros(counts.shape)
    for column in range(len(sizes)):
        elsewhere = _mean_product(np.delete(other, column, axis=1), n_way - 1)
        met[:, column] = 1 - own[:, column] * elsewhere
    return float((counts * met / sizes).sum() / len(sizes))


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
    support = protocol.support_table
    keys = (support["dataset"] + " " + support["group"]).to_numpy()
    queries = groups_of(protocol.table)
    met = [queries.isin(set(keys[rows.ravel()])).sum() for rows in protocol.support.rows]
    return float(np.mean(met) / len(protocol.table))


def _consequence(disjoint: str) -> str:
    if disjoint == "group":
        return "would have their own clip in the support, were images drawn without regard to clips"
    return "will have their own clip in the support; episodes.disjoint=group would prevent it"
