"""Find the same picture under several names in tables of images, by the pixels that are packed."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.data.packed_images import FaceImages

Pictures = list[list[str]]
"""For each picture its files, as `path (class)`."""


@dataclass(frozen=True)
class Repeats:
    """Pictures that stand in a table under several names.

    two_names: of several classes; apart: of one class in several groups, so that nothing keeps them
    from being support and query of one episode.
    """

    two_names: Pictures
    apart: Pictures

    @property
    def stamps(self) -> list[str]:
        """The words in the column `warnings` of results.csv."""
        counts = {"two_names": len(self.two_names), "same_pictures": len(self.apart)}
        return [f"{kind}:{count}" for kind, count in counts.items() if count]

    @property
    def lines(self) -> list[str]:
        """A line for people on each kind, with the first of them."""
        spoilt = "whatever is predicted is wrong for one of them"
        kinds = {
            f"stand under two class names, so {spoilt}": self.two_names,
            "stand in two groups, so they can be support and query of one episode": self.apart,
        }
        return [
            f"{len(pictures)} picture(s) {what}: {' = '.join(pictures[0])} first; check lists all"
            for what, pictures in kinds.items()
            if pictures
        ]


def picture_numbers(*sets: FaceImages) -> list[NDArray[np.int64]]:
    """Return numbers [N] for the images of each set, equal for equal pixels and for those alone.

    Pixels are compared where checksums are equal, so each image is read once.
    """
    sums = [images.checksums() for images in sets]
    values, counts = np.unique(np.concatenate(sums), return_counts=True)
    several = values[counts > 1]
    keys: list[int | bytes] = []
    for images, own in zip(sets, sums, strict=True):
        of_set: list[int | bytes] = own.tolist()
        for row in np.flatnonzero(np.isin(own, several)):
            of_set[row] = hashlib.blake2b(images.pixels(int(row)).tobytes()).digest()
        keys += of_set
    numbers = pd.factorize(np.array(keys, dtype=object))[0].astype(np.int64)
    return np.split(numbers, np.cumsum([len(images) for images in sets])[:-1])


def find_repeats(
    numbers: NDArray[np.int64], faces: pd.DataFrame, within_set: bool = False
) -> Repeats:
    """Return the repeats among images.

    numbers [N]: as of `picture_numbers`; faces [N]: the columns path, label, group and dataset;
    within_set: an episode has images of one data set, so that a picture in two is never apart.
    """
    by_number: dict[int, dict[str, tuple[str, object, str]]] = defaultdict(dict)
    columns = (faces[name] for name in ("path", "label", "group", "dataset"))
    for number, path, label, group, dataset in zip(numbers, *columns, strict=True):
        by_number[number][path] = (label, group, dataset if within_set else "")
    found = Repeats([], [])
    for same in (some for some in by_number.values() if len(some) > 1):
        labels, _, sets = map(set, zip(*same.values(), strict=True))
        groups = {(group, dataset) for _, group, dataset in same.values()}
        files = [f"{path} ({label})" for path, (label, *_) in same.items()]
        if len(labels) > 1:
            found.two_names.append(files)
        elif len(groups) > len(sets):
            found.apart.append(files)
    return found
