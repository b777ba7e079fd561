"""Find the folder of a data set, and pictures whose names tell subject and class."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from fewshot_fer.data.adapters.registry import find_adapter
from fewshot_fer.data.listing import (
    folders_in,
    image_names_in,
    left_out_remarks,
    possible_roots,
)
from fewshot_fer.data.splits import fold_splits
from fewshot_fer.data.table import make_table
from fewshot_fer.system.files import Row

Named = tuple[str, re.Match[str]]
"""The path of a picture, and its name as the pattern of its data set matches it."""
SHOWN = 3  # names that a remark lists
DEEPEST = 3  # folders of a data set's names one in another, as archives unpack


def nested_roots(data: Path, names: Sequence[str], depth: int = DEEPEST) -> list[Path]:
    """Return the folders in which a data set may lie, the innermost first and `data` last.

    names: how its folders are called, in any case; each may lie in another one of them.
    """
    *named, own = possible_roots(data, names)
    inner = [root for folder in named if depth for root in nested_roots(folder, names, depth - 1)]
    return [*dict.fromkeys(inner), own]


def find_named(
    data_set: str, data: Path, names: Sequence[str], pattern: re.Pattern[str]
) -> tuple[Path, list[Named], list[str]]:
    """Return the folder of a data set, its pictures as the pattern tells them, and remarks.

    All below a folder that has one of the names counts, else what lies in `data` and in the folders
    right in it; the pattern is matched to names without ending, and of pictures whose groups are
    the same in any case, the first one counts. Raises DataError where no name is matched.
    """
    roots = nested_roots(data.absolute(), names)
    for root in roots:
        left_out: Counter[str] = Counter()
        named: list[Named] = []
        strangers: list[str] = []
        for folder, name in _walk(root, left_out, depth=1 if root == roots[-1] else DEEPEST):
            match = pattern.fullmatch(os.path.splitext(name)[0])  # noqa: PTH122
            if match:
                named.append((os.path.join(folder, name), match))  # noqa: PTH118
            else:
                strangers.append(name)
        if named:
            named.sort(key=lambda each: each[0])
            first = {_code(match): path for path, match in reversed(named)}
            kept = [(path, match) for path, match in named if first[_code(match)] == path]
            twice = [match[0] for path, match in named if first[_code(match)] != path]
            remarks = [
                *left_out_remarks(left_out, root),
                *_left_out(strangers, root, f"whose names are not those of {data_set}"),
                *_left_out(twice, root, "that are there under the same name"),
            ]
            return root, kept, remarks
    raise find_adapter(data_set).not_found(data, roots[0])


def subject_table(
    data_set: str, found: Sequence[tuple[str, str, str]], n_folds: int, remarks: list[str]
) -> pd.DataFrame:
    """Return the FaceTable of pictures (path, class, subject): subjects are groups, in folds."""
    folds = fold_splits([subject for *_, subject in found], n_folds)
    rows: list[Row] = [
        {"path": path, "label": label, "split": fold, "group": subject, "dataset": data_set}
        for (path, label, subject), fold in zip(found, folds, strict=True)
    ]
    return make_table(rows, remarks=remarks)


def _walk(folder: Path, left_out: Counter[str], depth: int) -> Iterator[tuple[str, str]]:
    """Yield folder and name of each picture in a folder and so many levels below."""
    for name in image_names_in(folder, left_out=left_out):
        yield str(folder), name
    for inner in folders_in(folder) if depth else ():
        if not inner.is_symlink():
            yield from _walk(inner, left_out, depth - 1)


def _code(match: re.Match[str]) -> tuple[str, ...]:
    return tuple(group.upper() for group in match.groups(""))


def _left_out(names: list[str], where: Path, why: str) -> list[str]:
    """Say how many pictures of a folder are left out, and which come first, if any."""
    if not names:
        return []
    shown = ", ".join(sorted(names)[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return [f"{where}: {len(names)} pictures left out {why}: {shown}"]
