"""Which of a run's results the check's warnings spoil.

A run's warnings stand in every row of its results.csv. Whether a row suffers from them depends on
its data set: images that stand in training and in one test do not spoil the test on another set.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fewshot_fer.reports.page.run_files import Row

OWN = frozenset({"own"})  # folders and lists: any two may hold the same files
FAMILIES = {
    "mixed": frozenset({"rafdb_basic", "afew"}),
    "folder": OWN,
    "csv": OWN,
}
OFFICIAL = ("test", "val", "all")


@dataclass(frozen=True)
class Warned:
    """spoils: what is wrong with a row; noted: warnings of its run that do not concern it."""

    spoils: list[str]
    noted: list[str]


def warned(row: Row, settings: Row, asked: Row) -> Warned:
    """Return the check's warnings on a row of results.csv, in words.

    settings: of the run and, for a test, of its training (flat); asked: of the row's evaluation.
    Where they are not known, each warning concerns the row.
    """
    found = Warned([], [])
    if row["role"] == "train":  # nobody takes it for a figure of new faces
        return found
    roles = list(_roles(settings))
    known = bool(asked) and "dataset.adapter" in settings
    words = [word for word in str(row["warnings"] or "").split(";") if word]
    if row["trained_on_test"] is True and "trained_on_test" not in words:
        words.insert(0, "trained_on_test")
    for word in words:
        kind, _, count = word.partition(":")
        spoils = not known or _concerns(kind, (str(row["role"]), asked), roles)
        text = {
            "trained_on_test": "trained on test images",
            "shared_images": f"{count} images stand in two roles",
            "shared_groups": f"{count} clips or subjects stand in two roles",
        }.get(kind, word)
        (found.spoils if spoils else found.noted).append(
            text if spoils else f"{text}, of another data set"
        )
    return found


Part = tuple[str, Row]
"""A role, and the settings of its data set: `dataset.adapter` and the like."""


def _concerns(kind: str, own: Part, roles: list[Part]) -> bool:
    if kind == "trained_on_test":
        trained = next(settings for role, settings in roles if role == "train")
        official = str(own[1].get("dataset.split")) in OFFICIAL
        return official and bool(_family(own[1]) & _family(trained))
    if kind not in ("shared_images", "shared_groups"):
        return True
    if not any(_meet(kind, one, other) for one in roles for other in roles):
        return True  # found where it should not be: nobody can say which row is free of it
    return any(_meet(kind, own, other) for other in roles)


def _meet(kind: str, first: Part, second: Part) -> bool:
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


def _roles(settings: Row) -> Iterator[Part]:
    """Yield each role of a run; several tests are one role."""
    yield "train", settings
    yield "validation", below(settings, "eval.")
    for name in dict.fromkeys(key.split(".")[1] for key in settings if key.startswith("test.")):
        yield "test", below(settings, f"test.{name}.")


def below(settings: Row, prefix: str) -> Row:
    """Return the settings below a prefix, without it."""
    start = len(prefix)
    return {key[start:]: value for key, value in settings.items() if key.startswith(prefix)}
