"""Choose rows of a FaceTable: a split or fold, some classes, or equally many of each class."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.config.conf_files import dataset_settings
from fewshot_fer.data.labels import canonical
from fewshot_fer.data.listing import natural_key
from fewshot_fer.system.errors import DataError

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "publictest": "val",  # of FER2013
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}
"""How people spell splits -> the split's name in a table."""
FOLD = re.compile(r"(fold[0-9]+)/(train|test)")
"""A split by the folds of a table: fold1/test is what fold1 tests on, fold1/train all others."""
FOLD_NAME = re.compile(r"fold[0-9]+")


def select_split(table: pd.DataFrame, split: str, where: str | Path) -> pd.DataFrame:
    """Return the rows of one split; `all` keeps every row. Raises DataError if none is left.

    Of a split such as fold1/train the rows bear its last word, train or test.
    """
    if split == "all":
        return table
    fold = FOLD.fullmatch(split)
    own = table["split"] == (fold[1] if fold else split)
    # Without any test image of its own, a fold's training images would be all there are.
    chosen = table[~own if fold and fold[2] == "train" and own.any() else own]
    chosen = chosen.reset_index(drop=True)
    if fold:
        chosen["split"] = fold[2]
        if lost := table.attrs.get("lost_clips"):
            chosen.attrs["lost_clips"] = _lost_of_fold(lost, fold[1])
    if chosen.empty:
        names = sorted(table["split"].unique(), key=natural_key)
        found = ", ".join(f"{n}/train, {n}/test" if n.startswith("fold") else n for n in names)
        raise DataError(
            f"no image of split '{split}' under {where}; splits found: {found} "
            f"(choose one, or 'all', with dataset.split=, eval.dataset.split= or support_split=)"
        )
    return chosen


def _lost_of_fold(lost: dict[str, str], fold: str) -> dict[str, str]:
    """Return clips without frames, split/key -> class, with train and test of a fold as splits."""
    parted = {key: key.partition("/") for key in lost}
    return {
        f"{'test' if split == fold else 'train'}/{clip}": lost[key]
        for key, (split, _, clip) in parted.items()
    }


def select_of_each_set(table: pd.DataFrame, split: str, where: str | Path) -> pd.DataFrame:
    """Return the rows of one split of each data set in a table, from those that have it.

    train: all of a set without splits, or with folds alone, unless its own file in conf/dataset/
    names a fold to train on. fold1/train and fold1/test are train and test of a set without folds.
    A set that has no such split is left out, which is added to the remarks of `table`. Raises
    DataError if no row is left.
    """
    if split == "all":
        return table
    chosen, without = [], []
    for name, own in table.groupby("dataset", sort=False):
        wanted = _split_of_set(set(own["split"]), split, dataset_settings(str(name)).split)
        try:
            chosen.append(select_split(own, wanted, where))
        except DataError:
            without.append(str(name))
    if not chosen:
        raise DataError(
            f"no image of split '{split}' in {', '.join(without)}: give dataset.split=train or all"
        )
    remarks = table.attrs.setdefault("remarks", [])
    remark = f"union: split '{split}' is without {', '.join(without)}, which has none of that name"
    remarks += [remark] if without and remark not in remarks else []
    joined = pd.concat(chosen, ignore_index=True)
    joined.attrs = table.attrs
    return joined


def _split_of_set(there: set[str], split: str, own: str) -> str:
    """Return which split of a set is meant by `split` of a union.

    there: the splits of its rows; own: the one that its file in conf/dataset/ takes.
    """
    fold, has_folds = FOLD.fullmatch(split), any(FOLD_NAME.fullmatch(name) for name in there)
    if fold and has_folds:
        return split
    word = fold[2] if fold else split
    if word == "train" and has_folds:
        return own if own.endswith("/train") else "all"
    return "all" if word == "train" and there == {"all"} else word


def select_classes(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the rows of these classes, however spelled; of all for none.

    Raises DataError for a class that the table has not.
    """
    if not classes:
        return table
    wanted, there = [canonical(name) for name in classes], sorted(table["label"].unique())
    if missing := [name for name in wanted if name not in there]:
        raise DataError(f"dataset.classes: no image of {missing[0]}; there are {', '.join(there)}")
    return table[table["label"].isin(wanted)].reset_index(drop=True)


def fold_splits(subjects: Sequence[str], n_folds: int) -> list[str]:
    """Return the fold in which each row is a test row, all rows of a subject in the same one.

    Subjects in natural order go to fold1, fold2, ... in turn: for n_folds=10 as Liu et al.,
    "Facial expression recognition via a boosted deep belief network", CVPR 2014, divide CK+.
    """
    order = sorted(set(subjects), key=natural_key)
    folds = {subject: f"fold{place % n_folds + 1}" for place, subject in enumerate(order)}
    return [folds[subject] for subject in subjects]


def balanced_rows(
    table: pd.DataFrame, rows: NDArray[np.int64], count: int, seed: int, by: str = "label"
) -> NDArray[np.int64]:
    """Return row numbers with `count` of each class or, with by="dataset", of each data set.

    Drawn from `rows`. A larger class gives a random part of its images, a smaller one each of its
    images equally often but for the remainder, which is drawn. A function of table, rows and seed.
    """
    stream = b"balance" if by == "label" else b"balance sets"
    random = np.random.default_rng([seed, zlib.crc32(stream)])
    names = table[by].to_numpy()[rows]
    chosen = []
    for name in sorted(set(names)):
        own = rows[names == name]
        whole, rest = divmod(count, len(own))
        chosen += [*([own] * whole), random.choice(own, size=rest, replace=False)]
    return np.sort(np.concatenate(chosen))
