"""Episodes on disk, so that every model is evaluated on the same ones, on any machine.

A file holds the episodes of each evaluation of a run, as index arrays, with a digest of the table
that they index. A digest names images by the last four parts of their path: data may lie elsewhere.
Two more, which files of earlier versions lack, are of the names below the folder that holds all
images, however that is called, and of the pictures themselves.
"""

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fewshot_fer.data.fingerprint import file_digests, names_digest, pictures_digest
from fewshot_fer.episodes.pool import Shape
from fewshot_fer.episodes.sampler import Episodes, group_clashes
from fewshot_fer.system.errors import RunError, UserError, WriteError
from fewshot_fer.system.files import Row, atomic, writing

ARRAYS = ("classes", "support", "query")
MAX_BYTES = "FEWSHOT_FER_MAX_EPISODE_BYTES"  # an environment variable
MOST_BYTES = 2**30  # of a file's arrays; 10,000 episodes of 7 ways and 100 queries take 56 MB


def table_digest(table: pd.DataFrame) -> str:
    """Return 16 hex digits of the images and labels of a table, wherever its folder lies."""
    names = ("/".join(Path(path).parts[-4:]) for path in table["path"])
    text = "\n".join(f"{name}\t{label}" for name, label in zip(names, table["label"], strict=True))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def episodes_digest(table: str, episodes: Episodes) -> str:
    """Return 16 hex digits that are equal for equal episodes over tables of equal digests."""
    digest = hashlib.sha256(table.encode())
    digest.update("\n".join(episodes.class_names).encode())
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(getattr(episodes, name)).tobytes())
    return digest.hexdigest()[:16]


def save_episodes(
    file: Path,
    drawn: dict[str, tuple[pd.DataFrame, Episodes]],
    identities: Mapping[str, Row] | None = None,
) -> None:
    """Write the table and the episodes of each name, `test/afew_4w5s` for one, into one file.

    identities: by name, the `table_identity`. The file is always whole, the old or the new. Raises
    RunError where that fails.
    """
    content: dict[str, Any] = {
        f"{name}/{key}": np.array(identity[key])
        for name, identity in (identities or {}).items()
        for key in ("names", "pictures")
    }
    for name, (table, episodes) in drawn.items():
        content[f"{name}/table"] = np.array(table_digest(table))
        content[f"{name}/class_names"] = np.array(episodes.class_names)
        content |= {f"{name}/{array}": getattr(episodes, array) for array in ARRAYS}
    try:
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        with atomic(file) as partial, partial.open("wb") as stream:
            np.savez_compressed(stream, **content)
    except WriteError as error:
        raise RunError(f"episodes.save: {error}") from error


def load_episodes(
    file: Path, name: str, table: pd.DataFrame, shape: Shape, whole: pd.DataFrame | None = None
) -> Episodes:
    """Return the episodes of a name, which must be of this table and shape.

    whole: the table of all frames, where `table` has a row a clip. Raises RunError where the file
    is damaged, lacks the name, or was made for other data.
    """
    try:
        _require_size(file)
        with np.load(file, allow_pickle=False) as content:
            names = sorted({key.rsplit("/", 1)[0] for key in content.files})
            if name not in names:
                raise RunError(f"episodes.load: {file} has no {name}, only {', '.join(names)}")
            digest, class_names, *arrays = (
                np.atleast_1d(content[f"{name}/{array}"])
                for array in ("table", "class_names", *ARRAYS)
            )
            names_then = content.get(f"{name}/names")
    except UserError:
        raise
    except Exception as error:  # NumPy has no one class for what it meets in a damaged file
        raise RunError(f"episodes.load: {file} cannot be read as saved episodes") from error
    whole = table if whole is None else whole
    moved = names_then is not None and names_then.tolist() == names_digest(whole)
    if digest.tolist() != [table_digest(table)] and not moved:
        raise RunError(
            f"episodes.load: {name} in {file} was drawn from other images or labels than the "
            f"{len(table)} here"
        )
    episodes = Episodes(tuple(map(str, class_names.ravel())), *arrays)
    if not _is_sound(episodes, table, shape):
        raise RunError(f"episodes.load: {name} in {file} does not hold {shape} episodes")
    return episodes


def require_groups_apart(episodes: Episodes, groups: pd.Series, where: str) -> None:
    """Raise RunError where an episode has a group on both sides.

    groups: that of each row of the table; where: the episodes in words.
    """
    placed = np.concatenate([episodes.support, episodes.query], axis=2)
    shared = group_clashes(pd.factorize(groups)[0][placed], episodes.support.shape[2])
    if shared.any():
        raise RunError(
            f"episodes.load: in {int(shared.sum())} of the {len(episodes)} episodes of {where} a "
            f"clip or subject stands on both sides: draw others, or give episodes.disjoint=image, "
            f"which results.csv then says"
        )


def require_one_set(episodes: Episodes, datasets: pd.Series, where: str) -> None:
    """Raise RunError where an episode has images of several data sets.

    datasets: that of each row of the table; where: the episodes in words.
    """
    placed = np.concatenate([episodes.support, episodes.query], axis=2)
    numbers = pd.factorize(datasets)[0][placed].reshape(len(episodes), -1)
    several = (numbers != numbers[:, :1]).any(axis=1)
    if several.any():
        raise RunError(
            f"episodes.load: {int(several.sum())} of the {len(episodes)} episodes of {where} have "
            f"images of several data sets: draw others, or give episodes.within=any"
        )


def require_same_pictures(file: Path, name: str, paths: Sequence[str]) -> None:
    """Raise RunError where saved episodes of a name were drawn from files of other content.

    file: one that `load_episodes` has read; paths: of the table. Earlier versions did not say.
    """
    try:
        with np.load(file, allow_pickle=False) as content:
            known = content.get(f"{name}/pictures")
    except Exception as error:  # as above
        raise RunError(f"episodes.load: {file} cannot be read as saved episodes") from error
    if known is not None and known.tolist() != pictures_digest(file_digests(paths)):
        raise RunError(
            f"episodes.load: {name} in {file} was drawn from other pictures than those that lie "
            f"under the same names now: put these back, or draw and save anew with episodes.save="
        )


def _require_size(file: Path) -> None:
    """Raise RunError for a file that unpacks to more than any episodes take."""
    given = os.environ.get(MAX_BYTES, "")
    most = int(given) if given.isdecimal() else MOST_BYTES
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > most:
        raise RunError(
            f"episodes.load: {file} unpacks to {size:,} bytes, more than {most:,}: where such a "
            f"file is meant, allow more with the variable {MAX_BYTES}"
        )


def _is_sound(episodes: Episodes, table: pd.DataFrame, shape: Shape) -> bool:
    """Return whether shapes, ranges and labels are right, and no image stands in an episode twice.

    The file may come from a stranger.
    """
    count, way = len(episodes.classes), shape.n_way
    expected = ((count, way), (count, way, shape.k_shot), (count, way, shape.n_query))
    arrays = [episodes.classes, episodes.support, episodes.query]
    for array, size in zip(arrays, expected, strict=True):
        if array.dtype != np.int64 or array.shape != size:
            return False
    if count < 2 or episodes.classes.min() < 0 or arrays[0].max() >= len(episodes.class_names):
        return False
    shown = np.concatenate([each.reshape(count, -1) for each in arrays[1:]], axis=1)
    if any((np.diff(np.sort(each)) == 0).any() for each in (episodes.classes, shown)):
        return False
    names = np.array(episodes.class_names, dtype=object)[episodes.classes]
    labels = table["label"].to_numpy(dtype=object)
    return all(
        bool(array.min() >= 0 and array.max() < len(labels))
        and bool((labels[array] == names[..., None]).all())
        for array in arrays[1:]
    )
