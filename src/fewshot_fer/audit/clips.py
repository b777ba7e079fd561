"""Findings about clips and subjects: ids that stand for several, queries that meet their own."""

import numpy as np
import pandas as pd

from fewshot_fer.audit.findings import Finding, spoils_if
from fewshot_fer.audit.leaks import leak_share
from fewshot_fer.audit.overlaps import groups_of
from fewshot_fer.audit.parts import Part
from fewshot_fer.data.table import has_groups
from fewshot_fer.fixed_role import FixedRole


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
    return [spoils_if(False, title, detail, several.values())]


def leak_findings(part: Part, disjoint: str) -> list[Finding]:
    """Return the share of a role's queries whose own clip or subject would be in the support."""
    role = part.role
    if role is None or groups_of(part.table).empty:
        return []
    if isinstance(role, FixedRole):
        share = fixed_share(role)
        if not share:
            return []
        detail = f"{_percent(share)} of its queries have their own clip in the fixed support"
        return [spoils_if(False, f"clips of {part.title}", detail, ())]
    faces = part.table.iloc[np.unique(role.pool.rows)]
    if role.shape.k_shot == 0 or not has_groups(faces):
        return []
    share = leak_share(faces, role.shape.n_way, role.shape.k_shot)
    detail = f"{_percent(share)} of queries at {role.shape} {_consequence(disjoint)}"
    return [spoils_if(False, f"clips of {part.title}", detail, ())]


def _consequence(disjoint: str) -> str:
    if disjoint == "group":
        return "would have their own clip in the support, were images drawn without regard to clips"
    return "will have their own clip in the support; episodes.disjoint=group would prevent it"


def fixed_share(role: FixedRole) -> float:
    """Return the share of queries, over all draws, with an image of their group in the support."""
    support = role.support_table
    keys = (support["dataset"] + " " + support["group"]).to_numpy()
    queries = groups_of(role.table)
    met = [queries.isin(set(keys[rows.ravel()])).sum() for rows in role.support.rows]
    return float(np.mean(met) / len(role.table))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
