"""Faults of several data sets that are read as one."""

from pathlib import Path

from bad_input.case import LINE, WORKS, Case, as_it_is, gone_folder, on
from bad_input.commands import IN_PLACE, Words

SETS = "dataset.sets=[rafdb_basic,afew]"
UNION: Words = ("train", "dataset=union", "eval=basic_7w1s", *IN_PLACE)


def unions() -> list[Case]:
    """The folder that holds RAF-DB and AFEW."""
    kind = "several data sets at once"
    one_set, skipping = (*UNION, SETS, "episodes.within=set"), "dataset.skip_missing=true"
    afew_gone = on("AFEW", gone_folder)
    both = (*UNION, "dataset.sets=[rafdb_basic,csv]", "dataset.file=list.csv")
    return [
        Case(kind, "no set is named", as_it_is, LINE, "name the data sets", words=UNION),
        Case(kind, "a set twice", as_it_is, LINE, "twice", words=(*UNION, f"{SETS[:-1]},afew]")),
        Case(kind, "a set of an unknown name", as_it_is, LINE, "nobody", words=(*UNION, NOBODY)),
        Case(kind, "a folder as a set", as_it_is, LINE, "in a CSV", words=(*UNION, FOLDER)),
        Case(kind, "a set that is missing", afew_gone, LINE, "afew not found", words=one_set),
        Case(kind, "a missing set that may be", afew_gone, WORKS, words=(*one_set, skipping)),
        Case(kind, "no set there", _all_gone, LINE, "none of the sets", words=(*one_set, skipping)),
        Case(
            kind, "the same file in two sets", _listed, LINE, "files stand in several", words=both
        ),
        Case(
            kind,
            "more shots than any set alone has",
            as_it_is,
            LINE,
            "no data set has n_way=2",
            words=(*one_set, "train.k_shot=6"),
        ),
    ]


NOBODY = "dataset.sets=[rafdb_basic,nobody]"
FOLDER = "dataset.sets=[rafdb_basic,folder]"


def _all_gone(root: Path) -> None:
    for name in ("RAF-DB", "AFEW"):
        gone_folder(root / name)


def _listed(root: Path) -> None:
    """Write a list of RAF-DB's own pictures."""
    paths = sorted((root / "RAF-DB").rglob("train_*.jpg"))
    lines = [f"{path.relative_to(root)},happy" for path in paths]
    (root / "list.csv").write_text("\n".join(["path,label", *lines]))
