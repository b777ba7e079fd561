"""Faults of the data sets that a sweep over all that are found trains and tests on."""

from pathlib import Path

from bad_input.case import LINE, WORKS, Case, as_it_is, gone_folder, on
from bad_input.commands import IN_PLACE, Words

FOUND: Words = (
    *("train", "sweep=transfer", *IN_PLACE, "train=fast", "train.epochs=1", "train.k_shot=1"),
    *("test.episodes=3", "test.n_way=2", "test.k_shot=1"),
)


def found_sets() -> list[Case]:
    """The folder that holds RAF-DB and AFEW."""
    kind = "sweep=transfer"
    both = (*FOUND, "dataset=rafdb_basic", "test=[basic_7w1s,afew_7w1s]")
    return [
        Case(kind, "two data sets", as_it_is, WORKS),
        Case(kind, "no data set", _nothing, LINE, "none of"),
        Case(kind, "one of two damaged", _damaged, WORKS),
        Case(kind, "a target that is not there", on("AFEW", gone_folder), WORKS, words=both),
        Case(kind, "a name without a file", as_it_is, LINE, "choose one of", words=_other("all")),
        Case(kind, "typed for a test", as_it_is, LINE, "of train", words=_test()),
    ]


def _other(name: str) -> Words:
    return ("train", f"sweep={name}", *IN_PLACE)


def _test() -> Words:
    return ("test", "run=run", "sweep=transfer")


def _nothing(root: Path) -> None:
    for name in ("AFEW", "RAF-DB"):
        gone_folder(root / name)


def _damaged(root: Path) -> None:
    (list_file,) = root.glob("RAF-DB/**/list_patition_label.txt")
    list_file.write_text("train_00001.jpg 9")
