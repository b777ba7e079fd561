"""The part of the audit that opens no file: quick enough for every training run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fewshot_fer.fixed_role import FixedRole
from fewshot_fer.roles import Role


def quick_audit(roles: Sequence[Role | FixedRole]) -> list[str]:
    """Return stamps for results, such as `trained_on_test`, `shared_images:12`, `shared_groups:3`.

    trained_on_test: images of an official test or validation split are trained on; shared_images:
    files that stand in two roles; shared_groups: clips or subjects that do. Several tests are one
    role. Nothing found is an empty list.
    """
    tables = _tables(roles)
    stamps = []
    trained = tables.get("train")
    if trained is not None and trained["split"].isin(["test", "val"]).any():
        stamps.append("trained_on_test")
    images = _in_two([set(table["path"]) for table in tables.values()])
    groups = _in_two([_groups(table) for table in tables.values()])
    stamps += [f"shared_images:{images}"] if images else []
    stamps += [f"shared_groups:{groups}"] if groups else []
    return stamps


def _tables(roles: Sequence[Role | FixedRole]) -> dict[str, pd.DataFrame]:
    found: dict[str, list[pd.DataFrame]] = {}
    for role in roles:
        table = role.table
        if isinstance(role, Role):  # training leaves held-out rows undrawn
            table = table.iloc[np.unique(role.pool.rows)]
        found.setdefault(role.role, []).append(table)
    return {kind: pd.concat(tables) for kind, tables in found.items()}


def _groups(table: pd.DataFrame) -> set[str]:
    grouped = table[table["group"] != table["path"]]
    return set(grouped["dataset"] + " " + grouped["group"])


def _in_two(sets: Sequence[set[str]]) -> int:
    """Count what stands in two sets or more."""
    seen: set[str] = set()
    twice: set[str] = set()
    for some in sets:
        twice |= seen & some
        seen |= some
    return len(twice)
