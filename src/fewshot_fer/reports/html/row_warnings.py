"""Warnings of the check on a row of results.csv, in words, and which of them invalidate it.

A row's warnings are its own. A run of an earlier version has all of its warnings in every row: then
the data sets tell, as images in training and in one test do not invalidate that on another set.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fewshot_fer.runs.read import Row

OWN = frozenset({"own"})  # folders and lists: any two may hold the same files
FAMILIES = {"mixed": frozenset({"rafdb_basic", "afew"}), "folder": OWN, "csv": OWN}
OFFICIAL = ("test", "val", "all")
RoleData = tuple[str, Row]
"""A role, and the settings of its data set: `dataset.adapter` and the like."""


@dataclass(frozen=True)
class RowWarnings:
    """Warnings of the check on a row, in words.

    invalidating: what is wrong with the row; noted: warnings of its run that do not concern it.
    """

    invalidating: list[str]
    noted: list[str]


def row_warnings(row: Row, settings: Row, evaluation: Row) -> RowWarnings:
    """Return the check's warnings on a row of results.csv; those of an unknown data set all count.

    settings: of the run and, for a test, of its training (flat); evaluation: the row's.
    """
    found = RowWarnings([], [])
    if row["role"] == "train":  # nobody takes it for a figure of new faces
        return found
    roles = list(_roles(settings))
    known = bool(evaluation) and "dataset.adapter" in settings
    words = [word for word in str(row["warnings"] or "").split(";") if word]
    old, own, place = row["n_left_out"] is None, words, (row["role"], evaluation)
    if row["trained_on_test"] is True and "trained_on_test" not in words:
        words = ["trained_on_test", *words]
    for word in words:
        kind, _, count = word.partition(":")
        text = {
            "trained_on_test": "trained on test images",
            "shared_images": f"{count} images stand in two roles",
            "shared_groups": f"{count} clips or subjects stand in two roles",
            "two_names": f"{count} pictures under two class names",
            "same_pictures": f"{count} pictures can be support and query of one episode",
            "training_changed": "the training images were changed after the training",
        }.get(kind, word)
        elsewhere = known and not _concerns(kind, place, roles) if old else word not in own
        if elsewhere:
            found.noted.append(f"{text}, of another data set")
        else:
            found.invalidating.append(text)
    return found


def _concerns(kind: str, own: RoleData, roles: list[RoleData]) -> bool:
    """Tell whether a warning of this kind invalidates results on `own`."""
    if kind == "trained_on_test":
        trained = next(settings for role, settings in roles if role == "train")
        official = str(own[1].get("dataset.split")) in OFFICIAL
        return official and bool(_family(own[1]) & _family(trained))
    if kind not in ("shared_images", "shared_groups"):
        return True
    if not any(_can_share(kind, one, other) for one in roles for other in roles):
        return True  # found where it should not be: nobody can say which row is free of it
    return any(_can_share(kind, own, other) for other in roles)


def _can_share(kind: str, first: RoleData, second: RoleData) -> bool:
    """Tell whether two roles can share images, or clips and subjects, which may cross splits."""
    (role, one), (other_role, other) = first, second
    if role == other_role:
        return False
    splits = {str(one.get("dataset.split")), str(other.get("dataset.split"))}
    crossing = kind == "shared_groups" or "all" in splits or len(splits) == 1
    return bool(_family(one) & _family(other)) and (crossing or bool(OWN & _family(one)))


def _family(settings: Row) -> frozenset[str]:
    adapter = str(settings.get("dataset.adapter"))
    return FAMILIES.get(adapter, frozenset({adapter}))


def _roles(settings: Row) -> Iterator[RoleData]:
    """Yield each role of a run; several tests are one role."""
    yield "train", settings
    yield "validation", settings_below(settings, "eval.")
    for name in dict.fromkeys(key.split(".")[1] for key in settings if key.startswith("test.")):
        yield "test", settings_below(settings, f"test.{name}.")


def settings_below(settings: Row, prefix: str) -> Row:
    """Return the settings below a prefix, without it."""
    start = len(prefix)
    return {key[start:]: value for key, value in settings.items() if key.startswith(prefix)}
