"""Read lists of video clips, a clip and its class a line, and their folds.

A fold is a list of clips to test on and one of clips to train on, which are all others.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fewshot_fer.data.adapters.clip_frames import Clip, clip_key
from fewshot_fer.data.listing import child, natural_key, possible_roots
from fewshot_fer.system.errors import DataError

SET = re.compile(r"set[ _-]?0*([1-9][0-9]?)", re.IGNORECASE)
SHOWN = 60  # characters of a wrong line that a message repeats


class Listed(NamedTuple):
    """A clip as a list names it. where: its file and line, for messages."""

    key: str
    label: str
    spelling: str
    where: str


Parse = Callable[[str, str], Listed]
"""From a line and where it stands to the clip that it names. Raises DataError."""


@dataclass
class Fold:
    """The lists of one fold; None for one that is not there."""

    train: list[Listed] | None = None
    test: list[Listed] | None = None


@dataclass
class Listing:
    """What lists say of a data set: its clips, and sentences on what was read how."""

    clips: list[Clip] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def numbered_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Yield each line of a text file that is not blank, stripped, and where it stands.

    Raises DataError for a file that is no text, or empty.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    if not text.strip():
        raise DataError(f"{file} is empty: expected a clip and its class a line")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield line.strip(), f"{file}, line {number}"


def wrong_line(line: str, where: str, expected: str) -> DataError:
    """Return the error for a line that names no clip and class."""
    shown = repr(line if len(line) <= SHOWN else line[:SHOWN] + "...")
    return DataError(f"{where}: {shown} is not a line of the list: expected {expected}")


def read_list(file: Path, parse: Parse) -> list[Listed]:
    """Return the clips of a list. Raises DataError for a line that cannot be read."""
    return [parse(line, where) for line, where in numbered_lines(file)]


def roots_of(data: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders in which a data set may lie: as `possible_roots`, and one deeper in those
    that have its name, as archives unpack."""
    roots = possible_roots(data.absolute(), names)
    inner = [deep for root in roots[:-1] for deep in possible_roots(root, names)]
    return [*dict.fromkeys([*inner, *roots])]


def set_files(folder: Path, ending: str = "") -> dict[int, Path]:
    """Return number -> path of what is called set_1, set_2, ... with an ending in a folder."""
    found: dict[int, Path] = {}
    for name in sorted((path.name for path in folder.iterdir()), key=natural_key):
        stem = name[: len(name) - len(ending)]
        if name.lower().endswith(ending) and (number := SET.fullmatch(stem)):
            found.setdefault(int(number[1]), folder / name)
    return dict(sorted(found.items()))


def below(root: Path, path: str) -> Path | None:
    """Return a folder below another one by its relative path, whatever the case of names."""
    found: Path | None = root
    for name in path.split("/"):
        found = child(found, name) if found else None
    return found if found and found.is_dir() else None


def join_folds(folds: Mapping[int, Fold], n_folds: int) -> Listing:
    """Return the clips of all folds, each with the fold that tests it as its split.

    Clips that no list tests have the split train. Raises DataError for a clip that has two classes,
    that two folds test, or that a fold trains and tests on.
    """
    listing = Listing()
    known: dict[str, Listed] = {}
    tested: dict[str, tuple[int, Listed]] = {}
    for number, fold in folds.items():
        _merge(known, fold, listing.remarks)
        for one in fold.test or ():
            before = tested.setdefault(clip_key(one.key), (number, one))
            if before[0] != number:
                raise DataError(
                    f"{one.where}: the clip {one.key} is tested by fold {before[0]} too "
                    f"({before[1].where}): expected each clip in one test list"
                )
    for number, fold in folds.items():
        own = {key for key, (of_fold, _) in tested.items() if of_fold == number}
        listing.remarks += _disagreements(number, fold, own, known)
    missing = [k for k in range(1, n_folds + 1) if k not in folds or folds[k].test is None]
    if missing:
        there = ", ".join(str(k) for k in folds if k not in missing) or "none"
        listing.remarks.append(
            f"test lists of {n_folds} folds expected, found: {there}; "
            f"dataset.split=fold{missing[0]}/test cannot be chosen"
        )
    for key, one in known.items():
        split = f"fold{tested[key][0]}" if key in tested else "train"
        listing.clips.append(Clip(one.key, one.label, one.spelling, split))
    return listing


def join_splits(lists: Mapping[str, Sequence[Listed]]) -> Listing:
    """Return the clips of lists by split. Raises DataError for a clip that has two classes, or that
    stands in two splits."""
    listing = Listing()
    known: dict[str, tuple[str, Listed]] = {}
    for split, listed in lists.items():
        own: dict[str, Listed] = {}
        _merge(own, Fold(test=list(listed)), listing.remarks)
        for key, one in own.items():
            before = known.setdefault(key, (split, one))
            if before[0] != split:
                raise DataError(
                    f"{one.where}: the clip {one.key} is in the split {before[0]} too "
                    f"({before[1].where}): expected each clip in one list"
                )
            listing.clips.append(Clip(one.key, one.label, one.spelling, split))
    return listing


def _merge(known: dict[str, Listed], fold: Fold, remarks: list[str]) -> None:
    """Add the clips of a fold to those that are known; say which its lists name twice."""
    for listed in (fold.train or (), fold.test or ()):
        own: set[str] = set()
        twice = []
        for one in listed:
            key = clip_key(one.key)
            before = known.setdefault(key, one)
            if before.label != one.label:
                raise DataError(
                    f"{one.where}: the clip {one.key} is {one.spelling}, but {before.spelling} in "
                    f"{before.where}: expected one class a clip"
                )
            twice += [one] if key in own else []
            own.add(key)
        if twice:
            remarks.append(f"{len(twice)} clip(s) listed twice, first in {twice[0].where}")


def _disagreements(
    number: int, fold: Fold, tested: set[str], known: Mapping[str, Listed]
) -> Iterator[str]:
    """Yield how the training list of a fold differs from all clips that the fold does not test.

    Raises DataError for a clip in both lists.
    """
    if fold.train is None:
        yield f"fold {number} has no training list: fold{number}/train is all that it does not test"
        return
    if fold.test is None:
        return
    trained = {clip_key(one.key): one for one in fold.train}
    if both := [one for key, one in trained.items() if key in tested]:
        raise DataError(
            f"{both[0].where}: the clip {both[0].key} is in the test list of fold {number} too, as "
            f"are {len(both) - 1} others: expected lists that share no clip"
        )
    if left := [one for key, one in known.items() if key not in tested and key not in trained]:
        yield (
            f"the training list of fold {number} leaves out {len(left)} clip(s) of other folds, "
            f"{left[0].key} first: fold{number}/train takes them too"
        )
