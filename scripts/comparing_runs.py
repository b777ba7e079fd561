"""Compare two runs bit for bit: every table, and every value of every checkpoint."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint

TIMED = "seconds"  # of an epoch: no two runs take as long
IGNORED = {TIMED, "choices"}
"""Not compared. choices: a run that was stopped before its first checkpoint knows all settings, but
not the files in conf/ that they came from."""


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two runs' folders, by file or field: `last.pt: head`."""
    names = {path.name for path in one.iterdir()}
    found = sorted(names ^ {path.name for path in other.iterdir()})
    for name in sorted(names - set(found)):
        if name == "metrics.csv":
            tables = (pd.read_csv(run / name, dtype=str) for run in (one, other))
            left, right = (table.drop(columns=TIMED) for table in tables)
            found += [] if left.equals(right) else [name]
        elif name.endswith(".pt"):
            pair = (load_checkpoint(run / name) for run in (one, other))
            found += [f"{name}: {field}" for field in differing_fields(*pair)]
        elif name.endswith((".csv", ".yaml")):
            found += [] if (one / name).read_bytes() == (other / name).read_bytes() else [name]
    return found


def differing_fields(one: Checkpoint, other: Checkpoint) -> list[str]:
    """Return the fields in which two checkpoints differ, but for IGNORED."""
    names = [field.name for field in fields(Checkpoint)]
    return [name for name in names if not _equal(getattr(one, name), getattr(other, name))]


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        return same and torch.equal(_bits(one), _bits(other))
    if isinstance(one, dict) and isinstance(other, dict):
        keys = (one.keys() | other.keys()) - IGNORED
        return all(key in one and key in other and _equal(one[key], other[key]) for key in keys)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other)


def _bits(values: Tensor) -> Tensor:
    """Return the bytes: a number that is none equals itself here."""
    return values.detach().contiguous().reshape(-1).view(torch.uint8)
